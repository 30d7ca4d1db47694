// Requests that wait: who is granted when, who is told, and who must not wait.
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "nfs_server/base/faults.hpp"
#include "nfs_server/nlm/lock_table.hpp"

namespace lockstep::server::nlm {
namespace {

constexpr uint64_t eof = ByteRange::end_of_file;
constexpr fs::FileIdentity file{7, 1};
constexpr fs::FileIdentity other_file{8, 1};
constexpr auto shared = LockMode::shared;
constexpr auto exclusive = LockMode::exclusive;
using Owner = std::shared_ptr<const LockOwner>;

class LockWaitTest : public testing::Test {
 protected:
    LockWaitTest() {
        table_.on_grant([this](const LockRequest& request) { told_.push_back(request); });
    }

    Owner owner(const char* client, int32_t svid = 1) { return owners_.find_or_add(client, "oh", svid, "192.0.2.1"); }
    LockRequest request(const Owner& who, ByteRange range, LockMode mode, fs::FileIdentity where) {
        return {.request_id = ++request_id_, .file = where, .owner = who, .range = range, .mode = mode};
    }
    LockStatus try_lock(const Owner& who, ByteRange range, LockMode mode, fs::FileIdentity where = file) {
        return table_.lock(request(who, range, mode, where));
    }
    LockStatus wait(const Owner& who, ByteRange range, LockMode mode, fs::FileIdentity where = file) {
        auto waiting = request(who, range, mode, where);
        waiting.wait_for = std::make_shared<GrantTarget>();
        return table_.lock(waiting);
    }
    LockStatus unlock(const Owner& who, ByteRange range = {}, fs::FileIdentity where = file) {
        return table_.unlock(request(who, range, exclusive, where));
    }
    bool cancel(const Owner& who, ByteRange range, LockMode mode) {
        return table_.cancel(request(who, range, mode, file));
    }
    // The owners that were told of a grant since the last call, in order.
    std::vector<uint64_t> told() {
        std::vector<uint64_t> numbers;
        for (const LockRequest& request : std::exchange(told_, {})) numbers.push_back(request.owner->number);
        return numbers;
    }
    static std::vector<uint64_t> numbers(std::initializer_list<Owner> owners) {
        std::vector<uint64_t> numbers;
        for (const Owner& one : owners) numbers.push_back(one->number);
        return numbers;
    }

    LockOwners owners_;
    std::vector<LockRequest> told_;
    LockTable table_{LockLimits{.max_waits_per_client = 4, .max_waits_per_file = 20, .max_overtakes = 3}};
    uint64_t request_id_ = 0;
    Owner a_ = owner("a"), b_ = owner("b"), c_ = owner("c"), d_ = owner("d");
};

TEST_F(LockWaitTest, AWaiterIsGrantedWhenTheLastLockInItsWayGoes) {
    EXPECT_EQ(try_lock(a_, {0, 9}, shared), LockStatus::granted);
    EXPECT_EQ(try_lock(b_, {0, 9}, shared), LockStatus::granted);
    EXPECT_EQ(wait(c_, {5, 5}, exclusive), LockStatus::blocked);
    EXPECT_EQ(wait(c_, {5, 5}, exclusive), LockStatus::blocked) << "a retransmission";
    EXPECT_EQ(table_.waits_count(), 1u);
    unlock(a_);
    EXPECT_TRUE(told().empty());
    unlock(b_, {5, 5});
    EXPECT_EQ(told(), numbers({c_}));
    EXPECT_EQ(table_.waits_count(), 0u);
    EXPECT_EQ(try_lock(a_, {5, 5}, shared), LockStatus::denied);
    EXPECT_EQ(try_lock(b_, {6, 9}, shared), LockStatus::granted);
}

TEST_F(LockWaitTest, ConflictingWaitersAreGrantedInTheOrderOfTheirArrival) {
    EXPECT_EQ(try_lock(a_, {}, exclusive), LockStatus::granted);
    EXPECT_EQ(wait(b_, {}, exclusive), LockStatus::blocked);
    EXPECT_EQ(wait(c_, {}, shared), LockStatus::blocked);
    EXPECT_EQ(wait(d_, {}, shared), LockStatus::blocked);
    unlock(a_);
    EXPECT_EQ(told(), numbers({b_}));
    unlock(b_);
    EXPECT_EQ(told(), numbers({c_, d_})) << "readers go together";
}

TEST_F(LockWaitTest, AReaderThatWouldWaitQueuesBehindAWaitingWriter) {
    EXPECT_EQ(try_lock(a_, {}, shared), LockStatus::granted);
    EXPECT_EQ(wait(b_, {}, exclusive), LockStatus::blocked);
    EXPECT_EQ(wait(c_, {}, shared), LockStatus::blocked);
    unlock(a_);
    EXPECT_EQ(told(), numbers({b_}));
    EXPECT_TRUE(cancel(c_, {}, shared));
    unlock(b_);
    EXPECT_TRUE(told().empty());
}

TEST_F(LockWaitTest, ReadersThatDoNotWaitPassAWriterABoundedNumberOfTimes) {
    EXPECT_EQ(try_lock(a_, {}, shared), LockStatus::granted);
    EXPECT_EQ(wait(b_, {}, exclusive), LockStatus::blocked);
    for (int pass = 0; pass < 3; ++pass) {
        EXPECT_EQ(try_lock(c_, {}, shared), LockStatus::granted) << pass;
        unlock(c_);
    }
    EXPECT_EQ(try_lock(c_, {}, shared), LockStatus::denied);
    EXPECT_EQ(try_lock(a_, {}, shared), LockStatus::granted) << "a retransmission of what is held";
    unlock(a_);
    EXPECT_EQ(told(), numbers({b_}));
}

TEST_F(LockWaitTest, AHolderPassesAWaiterThatWaitsForIt) {
    EXPECT_EQ(try_lock(a_, {0, 9}, exclusive), LockStatus::granted);
    EXPECT_EQ(wait(b_, {0, 99}, exclusive), LockStatus::blocked);
    EXPECT_EQ(wait(a_, {50, 60}, exclusive), LockStatus::granted) << "b waits for a: a must not wait for b";
    unlock(a_);
    EXPECT_EQ(told(), numbers({b_}));
}

TEST_F(LockWaitTest, PlacesInQueuesOfTwoFilesMakeNoDeadlock) {
    // c waits for b; b would wait behind c, for nobody's lock.
    EXPECT_EQ(try_lock(a_, {0, 0}, shared), LockStatus::granted);
    EXPECT_EQ(try_lock(b_, {}, exclusive, other_file), LockStatus::granted);
    EXPECT_EQ(wait(c_, {}, exclusive), LockStatus::blocked);              // c behind a
    EXPECT_EQ(wait(c_, {}, exclusive, other_file), LockStatus::blocked);  // another thread of c, behind b
    EXPECT_EQ(wait(b_, {0, 0}, shared), LockStatus::granted) << "only c's place in the queue is before it";
}

TEST_F(LockWaitTest, ACircleThroughAnothersPlaceInAQueueIsBroken) {
    EXPECT_EQ(try_lock(a_, {}, shared), LockStatus::granted);
    EXPECT_EQ(try_lock(b_, {}, exclusive, other_file), LockStatus::granted);
    EXPECT_EQ(wait(c_, {}, exclusive), LockStatus::blocked);  // for a's lock
    EXPECT_EQ(wait(b_, {}, shared), LockStatus::blocked);     // for nobody's lock, behind c
    EXPECT_EQ(wait(a_, {}, shared, other_file), LockStatus::blocked);
    EXPECT_EQ(told(), numbers({b_})) << "a waits for b: b must not wait for c, which waits for a";
}

TEST_F(LockWaitTest, ACancelledRequestIsNotGrantedAndLetsThoseBehindItPass) {
    EXPECT_EQ(try_lock(a_, {}, shared), LockStatus::granted);
    EXPECT_EQ(wait(b_, {}, exclusive), LockStatus::blocked);
    EXPECT_EQ(wait(c_, {}, shared), LockStatus::blocked);
    EXPECT_FALSE(cancel(b_, {0, 5}, exclusive)) << "another range";
    EXPECT_FALSE(cancel(b_, {}, shared)) << "another mode";
    EXPECT_TRUE(cancel(b_, {}, exclusive));
    EXPECT_EQ(told(), numbers({c_}));
    EXPECT_FALSE(cancel(b_, {}, exclusive)) << "twice";
    unlock(a_);
    unlock(c_);
    EXPECT_TRUE(told().empty());
    EXPECT_EQ(table_.files_count(), 0u);
}

TEST_F(LockWaitTest, ACancelThatMeetsTheCallbackTakesTheGrantBack) {
    EXPECT_EQ(try_lock(a_, {}, exclusive), LockStatus::granted);
    EXPECT_EQ(wait(b_, {}, exclusive), LockStatus::blocked);
    EXPECT_EQ(wait(c_, {}, exclusive), LockStatus::blocked);
    unlock(a_);
    const LockRequest granted = told_.front();
    EXPECT_TRUE(cancel(b_, {}, exclusive));
    EXPECT_EQ(told(), numbers({b_, c_}));
    EXPECT_FALSE(table_.confirm(granted)) << "the answer comes too late";
    EXPECT_FALSE(table_.withdraw(granted));
}

TEST_F(LockWaitTest, AGrantThatIsConfirmedIsNotTakenBack) {
    EXPECT_EQ(try_lock(a_, {}, exclusive), LockStatus::granted);
    EXPECT_EQ(wait(b_, {}, exclusive), LockStatus::blocked);
    unlock(a_);
    EXPECT_TRUE(table_.confirm(told_.front()));
    EXPECT_FALSE(cancel(b_, {}, exclusive));
    EXPECT_EQ(try_lock(a_, {}, exclusive), LockStatus::denied);
}

TEST_F(LockWaitTest, AClientThatAsksAgainMeanwhileHasTakenTheGrant) {
    EXPECT_EQ(try_lock(a_, {}, exclusive), LockStatus::granted);
    EXPECT_EQ(wait(b_, {}, exclusive), LockStatus::blocked);
    unlock(a_);
    EXPECT_EQ(wait(b_, {}, exclusive), LockStatus::granted);
    EXPECT_FALSE(table_.withdraw(told_.front()));
    EXPECT_EQ(try_lock(a_, {}, exclusive), LockStatus::denied);
}

TEST_F(LockWaitTest, AnUpgradeThatIsNotTakenLeavesTheSharedLock) {
    EXPECT_EQ(try_lock(a_, {0, 99}, shared), LockStatus::granted);
    EXPECT_EQ(try_lock(b_, {10, 19}, shared), LockStatus::granted);
    EXPECT_EQ(wait(b_, {10, 49}, exclusive), LockStatus::blocked);
    unlock(a_);
    EXPECT_EQ(try_lock(a_, {10, 10}, shared), LockStatus::denied);
    EXPECT_TRUE(table_.withdraw(told_.front()));
    EXPECT_EQ(try_lock(a_, {0, 99}, shared), LockStatus::granted);
    unlock(a_, {20, eof});
    EXPECT_EQ(try_lock(a_, {10, 19}, exclusive), LockStatus::denied);
    EXPECT_EQ(try_lock(a_, {20, 49}, exclusive), LockStatus::granted);
}

TEST_F(LockWaitTest, ADowngradeLetsWaitersIn) {
    EXPECT_EQ(try_lock(a_, {}, exclusive), LockStatus::granted);
    EXPECT_EQ(wait(b_, {}, shared), LockStatus::blocked);
    EXPECT_EQ(try_lock(a_, {}, shared), LockStatus::granted);
    EXPECT_EQ(told(), numbers({b_}));
}

TEST_F(LockWaitTest, CirclesOfTwoAndThreeOwnersAreRefused) {
    EXPECT_EQ(try_lock(a_, {0, 0}, exclusive), LockStatus::granted);
    EXPECT_EQ(try_lock(b_, {1, 1}, exclusive), LockStatus::granted);
    EXPECT_EQ(try_lock(c_, {0, 0}, exclusive, other_file), LockStatus::granted);
    EXPECT_EQ(wait(a_, {1, 1}, exclusive), LockStatus::blocked);
    EXPECT_EQ(wait(b_, {0, 0}, exclusive), LockStatus::deadlock);
    EXPECT_EQ(wait(b_, {}, shared, other_file), LockStatus::blocked);
    EXPECT_EQ(wait(c_, {0, 0}, shared), LockStatus::deadlock);
    EXPECT_EQ(table_.waits_count(), 2u);
    unlock(c_, {}, other_file);
    EXPECT_EQ(told(), numbers({b_})) << "the others go on";
}

TEST_F(LockWaitTest, TwoReadersThatBothWantToWriteAreADeadlock) {
    EXPECT_EQ(try_lock(a_, {}, shared), LockStatus::granted);
    EXPECT_EQ(try_lock(b_, {}, shared), LockStatus::granted);
    EXPECT_EQ(wait(a_, {}, exclusive), LockStatus::blocked);
    EXPECT_EQ(wait(b_, {}, exclusive), LockStatus::deadlock);
    unlock(b_);
    EXPECT_EQ(told(), numbers({a_}));
}

TEST_F(LockWaitTest, AFloodOfWaitsIsBoundedForItsClientOnly) {
    EXPECT_EQ(try_lock(a_, {}, exclusive), LockStatus::granted);
    for (uint64_t i = 0; i < 4; ++i) EXPECT_EQ(wait(b_, {i, i}, exclusive), LockStatus::blocked);
    EXPECT_EQ(wait(b_, {9, 9}, exclusive), LockStatus::no_locks);
    EXPECT_EQ(wait(owner("b", 2), {9, 9}, exclusive), LockStatus::no_locks) << "the bound is the client's";
    EXPECT_EQ(wait(c_, {9, 9}, exclusive), LockStatus::blocked);
    EXPECT_TRUE(cancel(b_, {2, 2}, exclusive));
    EXPECT_EQ(wait(b_, {9, 9}, exclusive), LockStatus::blocked);
    for (int client = 0; table_.waits_count() < 20; ++client)
        EXPECT_EQ(wait(owner(("x" + std::to_string(client)).c_str()), {}, exclusive), LockStatus::blocked);
    EXPECT_EQ(wait(d_, {}, exclusive), LockStatus::no_locks) << "the bound of the file";
}

TEST_F(LockWaitTest, WithoutAWayToTellNobodyWaits) {
    LockTable table;
    auto held = request(a_, {}, exclusive, file);
    EXPECT_EQ(table.lock(held), LockStatus::granted);
    auto waiting = request(b_, {}, exclusive, file);
    waiting.wait_for = std::make_shared<GrantTarget>();
    EXPECT_EQ(table.lock(waiting), LockStatus::no_locks);
}

TEST_F(LockWaitTest, AClientThatGoesLeavesNeitherLocksNorWaits) {
    EXPECT_EQ(try_lock(a_, {}, exclusive), LockStatus::granted);
    EXPECT_EQ(try_lock(a_, {}, exclusive, other_file), LockStatus::granted);
    EXPECT_EQ(wait(b_, {}, exclusive), LockStatus::blocked);
    EXPECT_EQ(wait(c_, {}, exclusive), LockStatus::blocked);
    EXPECT_EQ(table_.release_client(99, *b_->client, ReleaseCause::client_restarted), 0u);
    EXPECT_EQ(table_.waits_count(), 1u);
    EXPECT_EQ(table_.release_client(99, *a_->client, ReleaseCause::fenced), 2u);
    EXPECT_EQ(told(), numbers({c_}));
    EXPECT_TRUE(table_.confirm({.request_id = 4, .file = file, .owner = c_, .range = {}}));
    EXPECT_EQ(unlock(c_), LockStatus::granted);
    EXPECT_EQ(table_.files_count(), 0u);
}

TEST_F(LockWaitTest, TheListNamesHoldersAndWaiters) {
    EXPECT_EQ(try_lock(a_, {0, 9}, shared), LockStatus::granted);
    EXPECT_EQ(wait(b_, {5, 5}, exclusive), LockStatus::blocked);
    const auto list = table_.list();
    ASSERT_EQ(list.size(), 2u);
    EXPECT_EQ(list[0].owner, a_);
    EXPECT_EQ(list[0].waits_for, 0u);
    EXPECT_EQ(list[1].owner, b_);
    EXPECT_EQ(list[1].waits_for, a_->number);
}

// Both grants to a are unknown to its client when the first is taken back: its exclusive lock must not come back beside
// c's.
TEST_F(LockWaitTest, WhatIsGivenBackIsNoStrongerThanWhatALaterGrantLeft) {
    EXPECT_EQ(try_lock(a_, {2, 4}, exclusive), LockStatus::granted);
    EXPECT_EQ(try_lock(b_, {0, 1}, exclusive), LockStatus::granted);
    EXPECT_EQ(try_lock(b_, {6, 6}, exclusive), LockStatus::granted);
    EXPECT_EQ(wait(a_, {0, 4}, exclusive), LockStatus::blocked);
    EXPECT_EQ(wait(a_, {2, 6}, shared), LockStatus::blocked);
    unlock(b_, {0, 1});
    unlock(b_, {6, 6});
    ASSERT_EQ(told_.size(), 2u);
    EXPECT_EQ(try_lock(c_, {3, 3}, shared), LockStatus::granted);
    EXPECT_TRUE(table_.withdraw(told_.front()));
    EXPECT_EQ(try_lock(c_, {2, 2}, shared), LockStatus::granted) << "a holds it shared";
    EXPECT_EQ(try_lock(d_, {2, 2}, exclusive), LockStatus::denied) << "a holds it";
    for (const LockEntry& entry : table_.list()) EXPECT_EQ(entry.mode, shared);
}

// Random requests of several owners on two files. After each: holders are compatible, every waiter waits for somebody,
// and when all have given up everything nothing is left.
TEST_F(LockWaitTest, ARandomHistoryLeavesNobodyWaitingForNothing) {
    const uint64_t seed = testing::UnitTest::GetInstance()->random_seed() + 1;
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    LockTable table(LockLimits{.max_overtakes = 3});
    std::vector<LockRequest> granted;
    table.on_grant([&](const LockRequest& request) { granted.push_back(request); });
    std::vector<Owner> owners;
    for (int i = 0; i < 6; ++i) owners.push_back(owner(i % 2 ? "x" : "y", i));
    size_t waited = 0, deadlocks = 0;
    const auto check_all = [&] {
        const auto list = table.list();
        for (const LockEntry& entry : list) {
            if (entry.waits_for != 0) continue;
            for (const LockEntry& other : list) {
                const bool is_held_beside = other.waits_for == 0 && other.file == entry.file &&
                                            other.owner != entry.owner && other.range.overlaps(entry.range);
                ASSERT_TRUE(!is_held_beside || compatible(entry.mode, other.mode));
            }
        }
        size_t waiters = 0;
        for (const LockEntry& entry : list) waiters += entry.waits_for != 0 ? 1 : 0;
        ASSERT_EQ(waiters, table.waits_count()) << "a waiter that waits for nobody";
    };
    for (int step = 0; step < 4000; ++step) {
        LockRequest next = request(owners[random() % owners.size()], {}, random() % 2 ? shared : exclusive,
                                   random() % 4 ? file : other_file);
        next.range.first = random() % 16;
        next.range.last = random() % 16 == 0 ? eof : next.range.first + random() % 6;
        if (random() % 2) next.wait_for = std::make_shared<GrantTarget>();
        switch (random() % 6) {
            case 0:
            case 1:
                ASSERT_EQ(table.unlock(next), LockStatus::granted);
                break;
            case 2:
                table.cancel(next);
                break;
            default: {
                const auto status = table.lock(next);
                waited += status == LockStatus::blocked ? 1 : 0;
                deadlocks += status == LockStatus::deadlock ? 1 : 0;
            }
        }
        for (const LockRequest& one : std::exchange(granted, {}))
            random() % 8 ? table.confirm(one) : table.withdraw(one);
        ASSERT_NO_FATAL_FAILURE(check_all()) << "step " << step;
    }
    EXPECT_GT(waited, 10u) << "the history was too tame to show anything";
    EXPECT_GT(deadlocks, 0u);
    for (const char* client : {"x", "y"})
        table.release_client(1, *owners_.find_client(client, "192.0.2.1"), ReleaseCause::client_restarted);
    for (const LockRequest& one : granted) table.withdraw(one);
    EXPECT_EQ(table.count(), 0u);
    EXPECT_EQ(table.waits_count(), 0u);
    EXPECT_EQ(table.files_count(), 0u);
}

// Threads that wait for each other in all ways: at the end nobody is stuck.
TEST_F(LockWaitTest, ThreadsThatWaitForEachOtherAllEnd) {
    constexpr int threads = 4;
    LockTable table;
    std::mutex mutex;
    std::vector<LockRequest> granted;
    table.on_grant([&](const LockRequest& request) {
        const std::lock_guard hold(mutex);
        granted.push_back(request);
    });
    std::atomic<uint64_t> ids{1000};
    std::vector<std::thread> running;
    for (int thread = 0; thread < threads; ++thread)
        running.emplace_back([&, me = owner("t", thread), thread] {
            std::mt19937_64 random(static_cast<uint64_t>(thread));
            for (int turn = 0; turn < 300; ++turn) {
                for (int lock = 0; lock < 2; ++lock) {
                    LockRequest next{.request_id = ++ids,
                                     .file = random() % 2 ? file : other_file,
                                     .owner = me,
                                     .range = {random() % 4, 4},
                                     .mode = random() % 2 ? shared : exclusive};
                    next.wait_for = std::make_shared<GrantTarget>();
                    if (table.lock(next) != LockStatus::blocked) continue;
                    for (bool is_told = false; !is_told; std::this_thread::yield()) {
                        const std::lock_guard hold(mutex);
                        is_told = std::erase_if(granted, [&](auto& r) { return r.request_id == next.request_id; }) != 0;
                    }
                    table.confirm(next);
                }
                for (const auto where : {file, other_file})
                    table.unlock({.request_id = ++ids, .file = where, .owner = me, .range = {}});
            }
        });
    for (auto& thread : running) thread.join();
    EXPECT_EQ(table.count(), 0u);
    EXPECT_EQ(table.waits_count(), 0u);
    EXPECT_EQ(table.files_count(), 0u);
}

}  // namespace
}  // namespace lockstep::server::nlm
