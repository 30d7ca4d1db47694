#include "nfs_server/nlm/lock_table.hpp"

#include <gtest/gtest.h>

#include <lttng/tracepoint.h>

#include <random>
#include <thread>

#include "nfs_server/base/faults.hpp"

namespace lockstep::server::nlm {
namespace {

constexpr uint64_t eof = ByteRange::end_of_file;
constexpr fs::FileIdentity file{7, 1};
constexpr auto shared = LockMode::shared;
constexpr auto exclusive = LockMode::exclusive;

class LockTableTest : public testing::Test {
 protected:
    std::shared_ptr<const LockOwner> owner(const char* client, int32_t svid) {
        return owners_.find_or_add(client, "oh", svid, "192.0.2.1");
    }
    LockStatus lock(const std::shared_ptr<const LockOwner>& who, ByteRange range, LockMode mode,
                    fs::FileIdentity where = file) {
        return table_.lock({++request_id_, where, who, range, mode});
    }
    LockStatus unlock(const std::shared_ptr<const LockOwner>& who, ByteRange range, fs::FileIdentity where = file) {
        return table_.unlock({++request_id_, where, who, range});
    }

    LockOwners owners_;
    LockTable table_{LockLimits{.max_locks = 100, .max_locks_per_client = 20}};
    uint64_t request_id_ = 0;
};

TEST_F(LockTableTest, AnExclusiveLockExcludesOthersAndNotItsOwner) {
    const auto a = owner("a", 1);
    const auto b = owner("b", 1);
    EXPECT_EQ(lock(a, {0, 9}, exclusive), LockStatus::granted);
    EXPECT_EQ(lock(b, {9, 9}, shared), LockStatus::denied);
    EXPECT_EQ(lock(b, {10, eof}, exclusive), LockStatus::granted);
    EXPECT_EQ(lock(a, {0, 9}, exclusive), LockStatus::granted) << "a retransmission";
    EXPECT_EQ(table_.count(), 2u);
}

TEST_F(LockTableTest, OwnersOfOneClientExcludeEachOther) {
    EXPECT_EQ(lock(owner("a", 1), {0, 9}, exclusive), LockStatus::granted);
    const auto other = owner("a", 2);
    EXPECT_EQ(lock(other, {0, 9}, exclusive), LockStatus::denied);
}

TEST_F(LockTableTest, ALockIsOfItsFileAndGeneration) {
    const auto a = owner("a", 1);
    const auto b = owner("b", 1);
    EXPECT_EQ(lock(a, {0, eof}, exclusive), LockStatus::granted);
    EXPECT_EQ(lock(b, {0, eof}, exclusive, {8, 1}), LockStatus::granted);
    EXPECT_EQ(lock(b, {0, eof}, exclusive, {7, 2}), LockStatus::granted) << "the number of a removed file, used again";
}

TEST_F(LockTableTest, TestTellsWhoIsInTheWayAndChangesNothing) {
    const auto a = owner("a", 41);
    lock(a, {5, eof}, exclusive);
    const auto b = owner("b", 1);
    const auto holder = table_.test({1, file, b, {0, 100}, shared});
    ASSERT_TRUE(holder.has_value());
    EXPECT_EQ(holder->owner->svid, 41);
    EXPECT_EQ(holder->range, (ByteRange{5, eof}));
    EXPECT_FALSE(table_.test({1, file, b, {0, 4}, exclusive}).has_value());
    EXPECT_EQ(table_.count(), 1u);
}

TEST_F(LockTableTest, NothingIsKeptOfWhatIsReleased) {
    for (int i = 0; i < 1000; ++i) {
        const auto who = owner("a", i);
        lock(who, {0, 9}, exclusive, {static_cast<uint64_t>(i), 1});
        unlock(who, {0, eof}, {static_cast<uint64_t>(i), 1});
    }
    EXPECT_EQ(table_.count(), 0u);
    EXPECT_EQ(table_.files_count(), 0u);
    EXPECT_EQ(owners_.count(), 0u);
    EXPECT_EQ(owners_.find_client("a", "192.0.2.1"), nullptr);
}

TEST_F(LockTableTest, ADeniedRequestLeavesNothingBehind) {
    const auto a = owner("a", 1);
    lock(a, {0, 9}, exclusive);
    lock(owner("b", 1), {0, 9}, exclusive);
    EXPECT_EQ(owners_.count(), 1u);
    unlock(a, {0, 9});
    EXPECT_EQ(table_.files_count(), 0u);
}

TEST_F(LockTableTest, AClientsLocksAreBoundedAndCanStillBeReleased) {
    const auto greedy = owner("greedy", 1);
    uint64_t granted = 0;
    while (lock(greedy, {granted * 10, granted * 10 + 4}, exclusive) == LockStatus::granted) ++granted;
    EXPECT_GE(granted, 18u);
    EXPECT_LE(table_.count(), 20u);
    const auto modest = owner("modest", 1);
    EXPECT_EQ(lock(modest, {5, 5}, exclusive), LockStatus::granted) << "others are not affected";

    EXPECT_EQ(unlock(greedy, {2, 2}), LockStatus::granted) << "the last lock there is room for";
    EXPECT_EQ(unlock(greedy, {12, 12}), LockStatus::no_locks) << "would make two locks of one";
    EXPECT_EQ(unlock(greedy, {10, 14}), LockStatus::granted);
    EXPECT_EQ(unlock(greedy, {0, eof}), LockStatus::granted);
    EXPECT_EQ(table_.count(), 1u);
}

TEST_F(LockTableTest, AClientsLocksGoTogetherAndOnlyThose) {
    const auto gone = owner("gone", 1);
    const auto gone_too = owner("gone", 2);
    const auto stays = owner("stays", 1);
    for (uint64_t number = 0; number < 5; ++number) {
        lock(gone, {0, 9}, exclusive, {number, 1});
        lock(gone_too, {20, 29}, shared, {number, 1});
        lock(stays, {20, 29}, shared, {number, 1});
    }
    EXPECT_EQ(table_.release_client(1, *owners_.find_client("gone", "192.0.2.1"), ReleaseCause::client_restarted), 10u);
    EXPECT_EQ(table_.count(), 5u);
    EXPECT_EQ(lock(stays, {0, 9}, exclusive, {3, 1}), LockStatus::granted);
}

TEST_F(LockTableTest, TheFaultGrantsWhatConflictsOnceInAWhile) {
    lock(owner("a", 1), {0, 9}, exclusive);
    ASSERT_TRUE(enable_fault("double_grant", 1).has_value());
    int granted = 0;
    for (int32_t i = 0; i < 200; ++i) granted += lock(owner("b", i), {0, 9}, exclusive) == LockStatus::granted ? 1 : 0;
    for (Fault* fault : Fault::all()) fault->disable();
    EXPECT_GT(granted, 0);
    EXPECT_LT(granted, 100);
}

// What a probe of nlm's tracepoints sees, as text.
struct Seen {
    std::vector<std::string> events;
};
void on_granted(void* data, uint64_t, uint64_t number, uint64_t, const char* client, uint64_t first, uint64_t last,
                uint8_t mode, uint8_t, uint8_t) {
    static_cast<Seen*>(data)->events.push_back("grant " + std::to_string(number) + " " + client + " " +
                                               std::to_string(first) + "-" + std::to_string(last) + " " +
                                               std::to_string(mode));
}
void on_denied(void* data, uint64_t, uint64_t, uint64_t, const char* client, uint64_t, uint64_t, uint8_t,
               uint32_t status) {
    static_cast<Seen*>(data)->events.push_back(std::string("deny ") + client + " " + std::to_string(status));
}
void on_released(void* data, uint64_t, uint64_t, uint64_t, const char* client, uint64_t first, uint64_t last, uint8_t) {
    static_cast<Seen*>(data)->events.push_back(std::string("release ") + client + " " + std::to_string(first) + "-" +
                                               std::to_string(last));
}

TEST_F(LockTableTest, EveryChangeFiresItsEvent) {
    Seen seen;
    const auto probe = [](auto* function) { return reinterpret_cast<void (*)()>(function); };
    const struct {
        const char* event;
        void (*function)();
        const char* signature;
    } probes[] = {
        {"lock_granted", probe(&on_granted),
         "uint64_t, request_id, uint64_t, file, uint64_t, owner, const char*, client, uint64_t, first_byte, uint64_t, "
         "last_byte, uint8_t, mode, uint8_t, reclaim, uint8_t, waited"},
        {"lock_denied", probe(&on_denied),
         "uint64_t, request_id, uint64_t, file, uint64_t, owner, const char*, client, uint64_t, first_byte, uint64_t, "
         "last_byte, uint8_t, mode, uint32_t, status"},
        {"lock_released", probe(&on_released),
         "uint64_t, request_id, uint64_t, file, uint64_t, owner, const char*, client, uint64_t, first_byte, uint64_t, "
         "last_byte, uint8_t, cause"},
    };
    for (const auto& p : probes)
        ASSERT_EQ(0, lttng_ust_tracepoint_provider_register("nlm", p.event, p.function, &seen, p.signature));
    const auto a = owner("a", 1);
    lock(a, {0, 9}, exclusive);
    lock(owner("b", 1), {5, eof}, shared);
    unlock(a, {3, 4});
    unlock(a, {100, 200});
    for (const auto& p : probes)
        ASSERT_EQ(0, lttng_ust_tracepoint_provider_unregister("nlm", p.event, p.function, &seen));
    EXPECT_EQ(seen.events, (std::vector<std::string>{"grant 7 a@192.0.2.1 0-9 5", "deny b@192.0.2.1 1",
                                                     "release a@192.0.2.1 3-4", "release a@192.0.2.1 100-200"}));
}

// Threads that lock and unlock one file: a plain counter under an exclusive lock never loses a step.
TEST_F(LockTableTest, ExclusiveMeansExclusiveAmongThreads) {
    constexpr int threads = 4;
    constexpr int rounds = 2000;
    std::atomic<int> inside{0};
    std::atomic<int> grants{0};
    std::atomic<bool> violated{false};
    std::vector<std::thread> workers;
    for (int t = 0; t < threads; ++t) {
        workers.emplace_back([&, t] {
            const auto who = owner("host", t);
            for (int i = 0; i < rounds; ++i) {
                if (table_.lock({1, file, who, {0, eof}, exclusive}) != LockStatus::granted) continue;
                if (++inside != 1) violated = true;
                ++grants;
                --inside;
                if (table_.unlock({1, file, who, {0, eof}}) != LockStatus::granted) violated = true;
            }
        });
    }
    for (auto& worker : workers) worker.join();
    EXPECT_FALSE(violated);
    EXPECT_GT(grants, 0);
    EXPECT_EQ(table_.count(), 0u);
}

}  // namespace
}  // namespace lockstep::server::nlm
