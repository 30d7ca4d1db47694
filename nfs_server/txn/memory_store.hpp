// A whole store in memory, for tests and benchmarks of the layers above: disk, journal, transactions.
#pragma once

#include <memory>

#include "nfs_server/base/check.hpp"
#include "nfs_server/disk/memory_disk.hpp"
#include "nfs_server/journal/journal.hpp"
#include "nfs_server/txn/transaction.hpp"

namespace lockstep::server::txn {

/// Formatted and ready. A failure ends the process. After reopen() the store is as after a restart, without what was
/// not durable.
class MemoryStore {
 public:
    /// `size_blocks` of the disk, log included.
    explicit MemoryStore(uint64_t size_blocks, const journal::JournalOptions& options = {},
                         const journal::FormatOptions& format = {})
        : disk_(size_blocks), options_(options) {
        const auto formatted = journal::Journal::format(disk_, format);
        check(formatted.has_value(), "a disk in memory can be formatted");
        open();
    }

    TransactionManager& manager() { return *manager_; }
    journal::Journal& journal() { return *journal_; }
    disk::MemoryDisk& disk() { return disk_; }

    /// Ends manager and journal without syncing, and recovers from the disk. No transaction may be open.
    void reopen() {
        manager_.reset();
        journal_.reset();
        open();
    }

 private:
    void open() {
        auto opened = journal::Journal::open(disk_, options_);
        check(opened.has_value(), "what a journal wrote, a journal can open");
        journal_ = std::move(*opened);
        manager_ = std::make_unique<TransactionManager>(*journal_);
    }

    disk::MemoryDisk disk_;
    journal::JournalOptions options_;
    std::unique_ptr<journal::Journal> journal_;
    std::unique_ptr<TransactionManager> manager_;
};

}  // namespace lockstep::server::txn
