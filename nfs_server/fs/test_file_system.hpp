// For tests: a file system on a disk in memory that can be remounted, crashed and checked. Layer: fs.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "nfs_server/disk/faulty_disk.hpp"
#include "nfs_server/disk/image_disk.hpp"
#include "nfs_server/fs/check.hpp"
#include "nfs_server/fs/file_system.hpp"
#include "nfs_server/journal/journal.hpp"
#include "nfs_server/txn/transaction.hpp"

namespace lockstep::server::fs::test {

/// What a test wants to be different.
struct TestOptions {
    std::uint64_t size_blocks = 16384;  ///< 64 MiB
    FormatOptions format = {.seed = 1};
    bool background = false;  ///< threads of the journal and the reaper; without them everything happens in order
};

/// A mounted stack: journal, transactions, file system, on a disk that outlives it. Start-up errors fail the test.
class MountedStack {
 public:
    MountedStack(disk::Disk& disk, const Clock& clock, const TestOptions& options) {
        journal::JournalOptions journal_options;
        journal_options.background = options.background;
        auto journal = journal::Journal::open(disk, journal_options);
        if (!journal) throw std::runtime_error(journal.error().message);
        journal_ = std::move(*journal);
        transactions_ = std::make_unique<txn::TransactionManager>(*journal_);
        auto mounted = FileSystem::mount_or_format(*transactions_, clock, options.format, options.background);
        if (!mounted) throw std::runtime_error(mounted.error().message);
        file_system_ = std::move(*mounted);
    }
    FileSystem& file_system() { return *file_system_; }
    txn::TransactionManager& transactions() { return *transactions_; }
    journal::Journal& journal() { return *journal_; }

 private:
    std::unique_ptr<journal::Journal> journal_;
    std::unique_ptr<txn::TransactionManager> transactions_;
    std::unique_ptr<FileSystem> file_system_;
};

class TestFileSystem {
 public:
    explicit TestFileSystem(const TestOptions& options = {}) : options_(options), disk_(options.size_blocks) {
        auto formatted = journal::Journal::format(disk_);
        if (!formatted) throw std::runtime_error(formatted.error().message);
        mount();
    }

    FileSystem& operator*() { return stack_->file_system(); }
    FileSystem* operator->() { return &stack_->file_system(); }
    MountedStack& stack() { return *stack_; }
    ManualClock& clock() { return clock_; }

    /// From now on the disk keeps nothing: every barrier fails.
    void fail_barriers() { faulty_disk_.fail_after(disk::FaultyDisk::Operation::barrier, 0); }
    /// True when nothing that was committed would be lost in a crash.
    bool everything_is_durable() { return stack_->journal().durable_sequence() == stack_->journal().last_sequence(); }

    /// A clean stop and a start.
    void remount() {
        ASSERT_TRUE(stack_->journal().sync());
        crash();
    }
    /// A stop that keeps only what is durable, and a start.
    void crash() {
        stack_.reset();
        mount();
    }

    /// Runs a body as one transaction that must succeed; its value.
    template <class Body>
    auto must(Body&& body) {
        auto finished = stack_->file_system().run(0, body);
        if (!finished.result)
            throw std::runtime_error("operation failed with error " + std::to_string(finished.result.error().code()));
        // Without a background thread nobody else makes room in the log.
        if (!options_.background && stack_->journal().counters().records % 16 == 0)
            (void)stack_->journal().checkpoint();
        if constexpr (!std::is_void_v<typename decltype(finished.result)::value_type>) return *finished.result;
    }
    /// Runs a body as one transaction; its error code.
    template <class Body>
    Error::Code error_of(Body&& body) {
        auto finished = stack_->file_system().run(0, body);
        if (finished.result) throw std::runtime_error("operation succeeded");
        return finished.result.error().code();
    }

    /// Everything that the checker finds wrong; the test fails on it.
    void expect_sound() {
        const CheckReport report = check_file_system(stack_->transactions());
        EXPECT_THAT(report.problems, testing::IsEmpty());
    }

 private:
    void mount() { stack_ = std::make_unique<MountedStack>(faulty_disk_, clock_, options_); }

    TestOptions options_;
    ManualClock clock_;
    disk::ImageDisk disk_;
    disk::FaultyDisk faulty_disk_{disk_};
    std::unique_ptr<MountedStack> stack_;
};

}  // namespace lockstep::server::fs::test
