// A server without a network: journal, transactions, file system, procedures, on a disk that outlives it; no threads,
// so that everything happens in one order. Layer: explore.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "nfs_server/base/clock.hpp"
#include "nfs_server/base/result.hpp"
#include "nfs_server/disk/disk.hpp"
#include "nfs_server/fs/file_system.hpp"
#include "nfs_server/journal/journal.hpp"
#include "nfs_server/ops/reply_cache.hpp"
#include "nfs_server/ops/test_client.hpp"
#include "nfs_server/txn/transaction.hpp"

namespace lockstep::server::explore {

using ops::test::Handle;

/// Destroying it is a crash of the process: what was not durable is lost.
class Stack {
 public:
    /// Recovers and mounts. Errors: a message.
    static Result<std::unique_ptr<Stack>, std::string> open(disk::Disk& disk, const Clock& clock);

    journal::Journal& journal() { return *journal_; }
    txn::TransactionManager& transactions() { return *transactions_; }
    fs::FileSystem& file_system() { return *file_system_; }
    ops::test::TestClient& client() { return *client_; }
    /// The numbers of the calls whose replies are kept on the disk. Errors: a message.
    Result<std::set<std::uint32_t>, std::string> kept_replies();
    Handle root() const;

 private:
    Stack() = default;
    std::unique_ptr<journal::Journal> journal_;
    std::unique_ptr<txn::TransactionManager> transactions_;
    std::unique_ptr<fs::FileSystem> file_system_;
    std::unique_ptr<ops::ReplyCache> replies_;
    std::unique_ptr<ops::Service> service_;
    std::unique_ptr<ops::test::TestClient> client_;
};

}  // namespace lockstep::server::explore
