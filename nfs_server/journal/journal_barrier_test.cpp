// Barriers that end in another order than they began, or fail beside others: what may be promised then.
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "nfs_server/journal/journal.hpp"
#include "nfs_server/journal/journal_test_steps.hpp"

namespace lockstep::server::journal {
namespace {

using disk::ImageDisk;

// A disk whose barriers, from when it is told on, end as and when a test says. They are numbered from 1.
class DecidedDisk final : public disk::Disk {
 public:
    explicit DecidedDisk(disk::Disk& inner) : inner_(inner) {}

    void hold_barriers() {
        std::lock_guard hold(mutex_);
        holds_ = true;
    }
    void wait_for(uint64_t barriers) {
        std::unique_lock hold(mutex_);
        changed_.wait(hold, [&] { return begun_ >= barriers; });
    }
    void end(uint64_t barrier, bool well) {
        std::lock_guard hold(mutex_);
        ends_[barrier] = well;
        changed_.notify_all();
    }

    Result<void, StorageError> read(uint64_t first_block, std::span<std::byte* const> blocks) override {
        return inner_.read(first_block, blocks);
    }
    Result<void, StorageError> write(uint64_t first_block, std::span<const std::byte* const> blocks) override {
        return inner_.write(first_block, blocks);
    }
    Result<void, StorageError> barrier() override {
        std::unique_lock hold(mutex_);
        if (!holds_) return {};
        const uint64_t number = ++begun_;
        changed_.notify_all();
        changed_.wait(hold, [&] { return ends_.contains(number); });
        if (!ends_[number]) return fail(StorageError::io);
        return {};
    }
    uint64_t size_blocks() const override { return inner_.size_blocks(); }

 private:
    disk::Disk& inner_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool holds_ = false;
    uint64_t begun_ = 0;
    std::map<uint64_t, bool> ends_;  // of those that are to end: whether well
};

// Two commits, each with a group and a barrier of its own, both under way.
class JournalBarriers : public testing::Test {
 protected:
    void SetUp() override {
        journal_ = opened(disk_, {.barriers_limit = 2, .background = false});
        disk_.hold_barriers();
        for (uint64_t number = 1; number <= 2; ++number) {
            ASSERT_TRUE(put(*journal_, number, number));
            waiters_.emplace_back(
                [this, number] { answers_[number] = journal_->wait_durable({number}, number).has_value(); });
            disk_.wait_for(number);
        }
    }
    void join() {
        for (auto& waiter : waiters_) waiter.join();
    }
    // Until whoever waited for the barrier has told the journal of its end.
    void end_and_wait(uint64_t barrier, bool well) {
        disk_.end(barrier, well);
        waiters_[barrier - 1].join();
        waiters_[barrier - 1] = std::thread([] {});
    }

    ImageDisk image_ = formatted(64, 16);
    DecidedDisk disk_{image_};
    std::unique_ptr<Journal> journal_;
    std::vector<std::thread> waiters_;
    std::map<uint64_t, bool> answers_{{1, false}, {2, false}};
};

// The kernel may tell one of two of an error that concerns both: the later one's success alone says nothing.
TEST_F(JournalBarriers, ALaterOneThatEndedWellDoesNotCountWhenTheEarlierFails) {
    disk_.end(2, true);
    // Its end is not told to anybody. Were it believed, its waiter would soon be answered.
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    EXPECT_EQ(0u, journal_->durable_sequence().value);
    disk_.end(1, false);
    join();
    EXPECT_FALSE(answers_[1]);
    EXPECT_FALSE(answers_[2]);
    EXPECT_EQ(0u, journal_->durable_sequence().value);
}

TEST_F(JournalBarriers, AnEarlierOneThatEndsWellDoesNotCountWhenTheLaterHasFailed) {
    end_and_wait(2, false);
    disk_.end(1, true);
    join();
    EXPECT_FALSE(answers_[1]);
    EXPECT_FALSE(answers_[2]);
    EXPECT_EQ(0u, journal_->durable_sequence().value);
    EXPECT_FALSE(put(*journal_, 3, 3));
}

TEST_F(JournalBarriers, BothCountWhenBothHaveEndedWell) {
    disk_.end(2, true);
    disk_.end(1, true);
    join();
    EXPECT_TRUE(answers_[1]);
    EXPECT_TRUE(answers_[2]);
    EXPECT_EQ(2u, journal_->durable_sequence().value);
}

// One change is durable, block 1, and not at home; every barrier from now on waits until it is decided.
class JournalSettling : public testing::Test {
 protected:
    JournalSettling() {
        EXPECT_TRUE(put(*journal_, 1, 11));
        EXPECT_TRUE(journal_->wait_durable({1}, 1));
        disk_.hold_barriers();
    }

    ImageDisk image_ = formatted(64, 16);
    DecidedDisk disk_{image_};
    std::unique_ptr<Journal> journal_ = opened(disk_);
};

// Recovery takes a log that ends before what is settled for damaged, so a superblock must not say it too early.
TEST_F(JournalSettling, WhatIsOnlyCommittedIsNotSettled) {
    std::thread installer([&] { EXPECT_TRUE(journal_->checkpoint()); });
    disk_.wait_for(1);  // block 1 has been written home
    ASSERT_TRUE(put(*journal_, 2, 22));
    disk_.end(1, true);
    disk_.end(2, true);  // the superblock's
    installer.join();
    EXPECT_FALSE(journal_->may_place(2));
    journal_.reset();
    journal_ = opened(image_);
    ASSERT_TRUE(journal_);
    EXPECT_EQ(11u, get(*journal_, 1));
}

TEST_F(JournalSettling, WhatIsWrittenDuringACheckpointIsReplayedFromItsTail) {
    std::thread installer([&] { EXPECT_TRUE(journal_->checkpoint()); });
    disk_.wait_for(1);
    ASSERT_TRUE(put(*journal_, 2, 22));
    disk_.end(2, true);  // the commit's
    ASSERT_TRUE(journal_->wait_durable({2}, 2));
    disk_.end(1, true);
    disk_.end(3, true);  // the superblock's
    installer.join();
    journal_ = opened(image_);
    ASSERT_TRUE(journal_);
    EXPECT_EQ(2u, journal_->recovery().first_sequence);
    EXPECT_EQ(11u, get(*journal_, 1));
    EXPECT_EQ(22u, get(*journal_, 2));
}

// A crash may still bring the older superblock back, and with it a recovery that compares what was placed before.
TEST_F(JournalSettling, NothingIsPlacedByWhatASuperblockSaysBeforeItIsDurable) {
    std::thread installer([&] { EXPECT_TRUE(journal_->settle()); });
    disk_.wait_for(1);  // the superblock has been written
    EXPECT_FALSE(journal_->may_place(1));
    disk_.end(1, true);
    installer.join();
    EXPECT_TRUE(journal_->may_place(1));
}

// Nor is the room that it gives up used again: the older one would replay what lay there.
TEST(JournalSettlingWithASmallLog, RoomOfTheLogIsUsedAgainOnlyWhenTheNewTailIsDurable) {
    ImageDisk image = formatted(64, 8);
    DecidedDisk disk(image);
    auto journal = opened(disk);
    uint64_t commits = 0;
    while (put_blocks(*journal, commits, 1, 'f')) ASSERT_TRUE(journal->wait_durable({++commits}, 1));
    disk.hold_barriers();
    std::thread installer([&] { EXPECT_TRUE(journal->checkpoint()); });
    disk.end(1, true);
    disk.wait_for(2);  // the blocks are at home, and the superblock has been written
    EXPECT_FALSE(put(*journal, 0, 1)) << "the log is still full";
    disk.end(2, true);
    installer.join();
    EXPECT_TRUE(put(*journal, 0, 1));
}

}  // namespace
}  // namespace lockstep::server::journal
