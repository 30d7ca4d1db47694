#include "nfs_server/txn/lock_table.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace lockstep::server::txn {
namespace {

const LockAddress a = LockAddress::inode(1);
const LockAddress b = LockAddress::inode(2);

TEST(LockTable, SharedHoldersExcludeAnExclusiveOneAndNotEachOther) {
    LockTable locks;
    EXPECT_TRUE(locks.try_acquire(1, a, LockMode::shared));
    EXPECT_TRUE(locks.try_acquire(2, a, LockMode::shared));
    EXPECT_FALSE(locks.try_acquire(3, a, LockMode::exclusive));
    locks.release(1, a);
    EXPECT_FALSE(locks.try_acquire(3, a, LockMode::exclusive));
    locks.release(2, a);
    EXPECT_TRUE(locks.try_acquire(3, a, LockMode::exclusive));
    EXPECT_FALSE(locks.try_acquire(1, a, LockMode::shared));
    locks.release(3, a);
    EXPECT_EQ(0u, locks.size());
}

TEST(LockTable, AddressesAreIndependentAndAKindIsPartOfAnAddress) {
    LockTable locks;
    EXPECT_TRUE(locks.try_acquire(1, LockAddress::inode(7), LockMode::exclusive));
    EXPECT_TRUE(locks.try_acquire(2, LockAddress::inode_bit(7), LockMode::exclusive));
    EXPECT_TRUE(locks.try_acquire(3, LockAddress::block_bit(7), LockMode::exclusive));
    EXPECT_EQ(3u, locks.size());
    locks.release(1, LockAddress::inode(7));
    locks.release(2, LockAddress::inode_bit(7));
    locks.release(3, LockAddress::block_bit(7));
}

TEST(LockTable, OnlyTheOneHolderBecomesExclusive) {
    LockTable locks;
    ASSERT_TRUE(locks.try_acquire(1, a, LockMode::shared));
    ASSERT_TRUE(locks.try_acquire(2, a, LockMode::shared));
    EXPECT_FALSE(locks.try_upgrade(1, a));
    locks.release(2, a);
    EXPECT_TRUE(locks.try_upgrade(1, a));
    EXPECT_FALSE(locks.try_acquire(2, a, LockMode::shared));
    locks.release(1, a);
}

// Waits, without sleeping, until `count` requests wait for `address`, which somebody holds shared: a shared try then
// fails.
void wait_until_somebody_waits(LockTable& locks, LockAddress address) {
    while (locks.try_acquire(999, address, LockMode::shared)) {
        locks.release(999, address);
        std::this_thread::yield();
    }
}

TEST(LockTable, WhoGaveUpWaitingHoldsNothingAndKeepsNobodyWaiting) {
    LockTable locks;
    locks.acquire(1, a, LockMode::shared);
    std::thread writer(
        [&] { EXPECT_FALSE(locks.acquire_within(2, a, LockMode::exclusive, std::chrono::milliseconds(50))); });
    wait_until_somebody_waits(locks, a);
    locks.acquire(3, a, LockMode::shared);  // behind the writer, until it gives up
    writer.join();
    locks.release(3, a);
    locks.release(1, a);
    EXPECT_TRUE(locks.acquire_within(2, a, LockMode::exclusive, std::chrono::milliseconds(0)));
    locks.release(2, a);
    EXPECT_EQ(0u, locks.size());
}

TEST(LockTable, ALaterReaderDoesNotOvertakeAWriterThatWaits) {
    LockTable locks;
    locks.acquire(1, a, LockMode::shared);
    std::atomic<bool> writer_has_it{false};
    std::thread writer([&] {
        locks.acquire(2, a, LockMode::exclusive);
        writer_has_it = true;
    });
    wait_until_somebody_waits(locks, a);
    EXPECT_FALSE(locks.try_acquire(3, a, LockMode::shared)) << "the writer was here first";
    EXPECT_FALSE(writer_has_it);
    locks.release(1, a);
    writer.join();
    EXPECT_TRUE(writer_has_it);
    locks.release(2, a);
    EXPECT_EQ(0u, locks.size());
}

TEST(LockTable, ReadersBehindAWriterGetTheLockTogetherAfterIt) {
    LockTable locks;
    locks.acquire(1, a, LockMode::exclusive);
    std::atomic<int> readers_inside{0};
    std::vector<std::thread> readers;
    for (uint64_t txn = 2; txn <= 4; ++txn) {
        readers.emplace_back([&, txn] {
            locks.acquire(txn, a, LockMode::shared);
            ++readers_inside;
            while (readers_inside < 3) std::this_thread::yield();  // only when all three hold it together
            locks.release(txn, a);
        });
    }
    locks.release(1, a);
    for (auto& reader : readers) reader.join();
    EXPECT_EQ(0u, locks.size());
}

TEST(LockTable, AnExclusiveLockExcludesUnderLoad) {
    LockTable locks;
    uint64_t counter = 0;  // not atomic: the lock guards it, and ThreadSanitizer watches
    constexpr uint64_t rounds = 2000;
    std::vector<std::thread> threads;
    for (uint64_t thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            for (uint64_t round = 0; round < rounds; ++round) {
                const uint64_t txn = thread * rounds + round + 1;
                locks.acquire(txn, b, LockMode::exclusive);
                ++counter;
                locks.release(txn, b);
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(4 * rounds, counter);
}

}  // namespace
}  // namespace lockstep::server::txn
