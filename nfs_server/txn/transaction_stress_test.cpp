// Many threads at once: isolation, freedom from deadlock, and crashes in the middle of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "nfs_server/base/faults.hpp"
#include "nfs_server/disk/recording_disk.hpp"
#include "nfs_server/txn/memory_store.hpp"

namespace lockstep::server::txn {
namespace {

using disk::CrashStates;
using disk::ImageDisk;
using disk::RecordingDisk;
using journal::Journal;

constexpr uint64_t accounts_count = 24;
constexpr uint64_t accounts_per_block = 6;  // several accounts share a block: they must not conflict
constexpr int64_t opening_balance = 1000;
constexpr uint64_t threads_count = 4;

LockAddress lock_of(uint64_t account) {
    return LockAddress::inode(account);
}
uint64_t block_of(uint64_t account) {
    return account / accounts_per_block;
}
uint32_t offset_of(uint64_t account) {
    return static_cast<uint32_t>(account % accounts_per_block * 64);
}

Result<int64_t, StorageError> balance(Transaction& txn, uint64_t account) {
    int64_t amount = 0;
    LOCKSTEP_TRY(txn.read(block_of(account), offset_of(account), std::as_writable_bytes(std::span(&amount, 1))));
    return amount;
}

Result<void, StorageError> set_balance(Transaction& txn, uint64_t account, int64_t amount) {
    return txn.write(lock_of(account), block_of(account), offset_of(account), std::as_bytes(std::span(&amount, 1)));
}

// Money moves around a circle of accounts, whose locks are taken in the order drawn, not in the order of addresses.
Result<void, StorageError> transfer(Transaction& txn, std::span<const uint64_t> accounts) {
    for (const uint64_t account : accounts) {
        LOCKSTEP_TRY(txn.lock(lock_of(account), LockMode::shared));
        LOCKSTEP_TRY(const int64_t amount, balance(txn, account));
        LOCKSTEP_TRY(txn.lock(lock_of(account), LockMode::exclusive));  // an upgrade, which may conflict as well
        LOCKSTEP_TRY(set_balance(txn, account, amount + (account == accounts.front() ? -10 : 0)));
    }
    LOCKSTEP_TRY(const int64_t last, balance(txn, accounts.back()));
    return set_balance(txn, accounts.back(), last + 10);
}

Result<int64_t, StorageError> sum_of_all(Transaction& txn) {
    int64_t sum = 0;
    for (uint64_t account = 0; account < accounts_count; ++account) {
        LOCKSTEP_TRY(txn.lock(lock_of(account), LockMode::shared));
        LOCKSTEP_TRY(const int64_t amount, balance(txn, account));
        sum += amount;
    }
    return sum;
}

// Each thread counts its transfers in an account of its own behind the others, in the same transactions.
uint64_t counter_of(uint64_t thread) {
    return accounts_count + thread;
}

void open_accounts(TransactionManager& manager) {
    auto outcome = manager.run(1, [](Transaction& txn) -> Result<void, StorageError> {
        for (uint64_t account = 0; account < accounts_count; ++account) {
            LOCKSTEP_TRY(txn.lock(lock_of(account), LockMode::exclusive));
            LOCKSTEP_TRY(set_balance(txn, account, opening_balance));
        }
        return {};
    });
    ASSERT_TRUE(outcome && outcome->committed);
    ASSERT_TRUE(manager.wait_durable(outcome->sequence, 1));
}

// What a thread was promised at which moment of the recording.
struct Acknowledged {
    size_t event;
    int64_t transfers;
};

void run_transfers(TransactionManager& manager, uint64_t thread, uint64_t seed, int rounds,
                   const std::function<void(int64_t)>& acknowledged) {
    std::mt19937_64 random(seed * threads_count + thread);
    for (int64_t round = 1; round <= rounds; ++round) {
        std::array<uint64_t, accounts_count> order;
        for (uint64_t i = 0; i < accounts_count; ++i) order[i] = i;
        std::shuffle(order.begin(), order.end(), random);
        const size_t length = 2 + random() % 4;
        auto outcome = manager.run(round, [&](Transaction& txn) -> Result<void, StorageError> {
            LOCKSTEP_TRY(transfer(txn, std::span(order).first(length)));
            LOCKSTEP_TRY(txn.lock(lock_of(counter_of(thread)), LockMode::exclusive));
            return set_balance(txn, counter_of(thread), round);
        });
        ASSERT_TRUE(outcome) << to_string(outcome.error());
        ASSERT_TRUE(outcome->committed) << to_string(outcome->result.error());
        if (random() % 4 != 0) continue;
        ASSERT_TRUE(manager.wait_durable(outcome->sequence, round));
        acknowledged(round);
    }
}

void run_in_parallel(TransactionManager& manager, uint64_t seed, int rounds,
                     const std::function<void(uint64_t, int64_t)>& acknowledged) {
    std::vector<std::thread> threads;
    for (uint64_t thread = 0; thread < threads_count; ++thread)
        threads.emplace_back([&, thread] {
            run_transfers(manager, thread, seed, rounds, [&](int64_t round) { acknowledged(thread, round); });
        });
    for (auto& thread : threads) thread.join();
}

TEST(TransactionStress, RandomLockOrdersEndAndKeepTheSumForEveryReader) {
    MemoryStore store(256, {.cache_blocks = 64}, {.log_blocks = 32});
    TransactionManager& manager = store.manager();
    open_accounts(manager);
    std::atomic<bool> done{false};
    std::atomic<uint64_t> sums{0};
    std::thread auditor([&] {
        while (!done) {
            auto outcome = manager.run(2, [](Transaction& txn) { return sum_of_all(txn); });
            ASSERT_TRUE(outcome);
            ASSERT_EQ(opening_balance * static_cast<int64_t>(accounts_count), *outcome->result);
            ++sums;
        }
    });
    run_in_parallel(manager, 1, 300, [](uint64_t, int64_t) {});
    while (sums == 0) std::this_thread::yield();
    done = true;
    auditor.join();
    Transaction reader = manager.begin(3);
    for (uint64_t thread = 0; thread < threads_count; ++thread) EXPECT_EQ(300, *balance(reader, counter_of(thread)));
}

// Threads that all want the same two locks, each in the other order, again and again: a circle if anything waited out
// of order.
TEST(TransactionStress, OppositeOrdersDoNotDeadlock) {
    MemoryStore store(64);
    std::vector<std::thread> threads;
    for (uint64_t thread = 0; thread < threads_count; ++thread)
        threads.emplace_back([&, thread] {
            for (int i = 0; i < 500; ++i) {
                auto outcome = store.manager().run(1, [&](Transaction& txn) -> Result<void, StorageError> {
                    LOCKSTEP_TRY(txn.lock(lock_of(thread % 2), LockMode::exclusive));
                    LOCKSTEP_TRY(txn.lock(lock_of(1 - thread % 2), LockMode::exclusive));
                    LOCKSTEP_TRY(const int64_t amount, balance(txn, 0));
                    return set_balance(txn, 0, amount + 1);
                });
                ASSERT_TRUE(outcome && outcome->committed);
            }
        });
    for (auto& thread : threads) thread.join();
    Transaction reader = store.manager().begin(1);
    EXPECT_EQ(500 * static_cast<int64_t>(threads_count), *balance(reader, 0));
}

class TransactionCrash : public ::testing::TestWithParam<uint64_t> {};

TEST_P(TransactionCrash, MoneyIsNeitherMadeNorLostAndWhatWasPromisedIsThere) {
    const uint64_t seed = GetParam();
    ImageDisk image(64);
    ASSERT_TRUE(Journal::format(image, {.log_blocks = 16}));
    RecordingDisk recording(image);
    std::array<std::vector<Acknowledged>, threads_count> acknowledged;
    size_t opened_at = 0;
    {
        auto journal = Journal::open(recording, {.cache_blocks = 64, .unwritten_blocks_limit = 4});
        ASSERT_TRUE(journal);
        TransactionManager manager(**journal);
        open_accounts(manager);
        opened_at = recording.events_count();
        run_in_parallel(manager, seed, 40, [&](uint64_t thread, int64_t round) {
            acknowledged[thread].push_back({recording.events_count(), round});
        });
    }
    const CrashStates crashes(recording);
    std::mt19937_64 random(seed);
    uint64_t states = 0;
    for (int i = 0; i < 60; ++i) {
        const size_t point = opened_at + random() % (crashes.last_point() - opened_at + 1);
        crashes.visit(
            point, {.exhaustive_writes = 2, .sampled_subsets = 4, .sampled_torn = 2}, random(), [&](ImageDisk& state) {
                ++states;
                auto journal = Journal::open(state, {.background = false});
                ASSERT_TRUE(journal) << journal.error().message;
                TransactionManager manager(**journal);
                Transaction reader = manager.begin(1);
                ASSERT_EQ(opening_balance * static_cast<int64_t>(accounts_count), *sum_of_all(reader))
                    << "seed " << seed << ", event " << point;
                for (uint64_t thread = 0; thread < threads_count; ++thread) {
                    int64_t promised = 0;
                    for (const Acknowledged& one : acknowledged[thread])
                        if (one.event <= point) promised = one.transfers;
                    ASSERT_GE(*balance(reader, counter_of(thread)), promised) << "seed " << seed << ", event " << point;
                }
            });
    }
    EXPECT_GT(states, 100u);
}
INSTANTIATE_TEST_SUITE_P(Seeds, TransactionCrash, ::testing::Range<uint64_t>(1, 5));

}  // namespace
}  // namespace lockstep::server::txn
