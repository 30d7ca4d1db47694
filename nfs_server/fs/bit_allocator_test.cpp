#include "nfs_server/fs/bit_allocator.hpp"

#include <gtest/gtest.h>

#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "nfs_server/base/worker_number.hpp"

namespace lockstep::server::fs {
namespace {

TEST(BitAllocator, GivesEveryBitOutOnceAndThenNothing) {
    BitAllocator bits(3, 1000);
    std::set<std::uint64_t> taken;
    while (auto bit = bits.take()) EXPECT_TRUE(taken.insert(*bit).second);
    EXPECT_EQ(taken.size(), 997u);
    EXPECT_EQ(*taken.begin(), 3u);
    EXPECT_EQ(*taken.rbegin(), 999u);
    EXPECT_EQ(bits.free_count(), 0u);
}

TEST(BitAllocator, TakesTheGoalWhenItIsFreeAndElseTheNext) {
    BitAllocator bits(0, 256);
    EXPECT_EQ(bits.take(77), 77u);
    EXPECT_EQ(bits.take(77), 78u);
    EXPECT_EQ(bits.take(255), 255u);
    EXPECT_EQ(bits.take(255), 0u);
}

TEST(BitAllocator, WhoGoesOnApartTakesTheGoalOrAWordThatNobodyUses) {
    BitAllocator bits(0, 640);
    EXPECT_EQ(bits.take_apart(77), 77u);
    EXPECT_EQ(bits.take(130), 130u);
    EXPECT_EQ(bits.take_apart(77), 192u) << "others are in the words of 77 and 130";
    EXPECT_EQ(bits.take_apart(193), 193u);
    EXPECT_EQ(bits.take_apart(639), 639u);
    EXPECT_EQ(bits.take_apart(639), 0u) << "no word ahead: as take()";
    EXPECT_EQ(bits.take_apart(640), 1u) << "behind the end: as take()";
}

TEST(BitAllocator, WhoGoesOnApartTakesTheNextBitWhenEveryWordIsInUse) {
    BitAllocator bits(0, 256);
    for (const std::uint64_t word : {0ul, 1ul, 2ul, 3ul}) EXPECT_EQ(bits.take(word * 64), word * 64);
    EXPECT_EQ(bits.take_apart(64), 65u);
}

// Threads come and go, and only so many work at a time: those of each time allocate where those before them did.
TEST(BitAllocator, ThreadsThatTakeTurnsAllocateInOnePlace) {
    BitAllocator bits(0, 1 << 20);
    give_up_worker_number();
    std::set<std::uint64_t> taken;
    for (int round = 0; round < 100; ++round) std::jthread([&] { taken.insert(*bits.take()); }).join();
    EXPECT_EQ(*taken.rbegin() - *taken.begin(), 99u);
}

TEST(BitAllocator, FindsTheOneFreeBitWhereverTheSearchBegins) {
    BitAllocator bits(0, 100'000);
    while (bits.take()) {
    }
    for (const std::uint64_t free : {0ul, 63ul, 64ul, 32'767ul, 32'768ul, 99'999ul}) {
        for (const std::uint64_t goal : {0ul, 1ul, 63ul, 64ul, 50'000ul, 99'999ul}) {
            bits.give_back(free);
            EXPECT_EQ(bits.take(goal), free) << "from " << goal;
        }
    }
}

// The inodes of a server that makes and removes files for years are those of the files that it has at once.
TEST(BitAllocator, UsesTheSameFewBitsAgainWhicheverThreadGivesThemBack) {
    constexpr std::uint64_t count = 1 << 20;
    BitAllocator bits(0, count);
    std::set<std::uint64_t> ever;
    for (int round = 0; round < 200; ++round) {
        std::vector<std::uint64_t> taken;
        std::jthread([&] {
            for (int i = 0; i < 100; ++i) taken.push_back(*bits.take());
        }).join();
        ever.insert(taken.begin(), taken.end());
        for (const std::uint64_t bit : taken) bits.give_back(bit);
    }
    EXPECT_LE(ever.size(), 32u * 100u);  // 20,000 if each thread had gone on where it had stood
}

TEST(BitAllocator, LoadedBitsAreNotGivenOut) {
    BitAllocator bits(0, 128);
    bits.load(0, ~std::uint64_t{0});
    bits.load(1, 1);
    EXPECT_EQ(bits.take(0), 65u);
    EXPECT_EQ(bits.free_count(), 62u);
}

TEST(BitAllocator, AnEmptyRangeGivesNothing) {
    BitAllocator bits(0, 0);
    EXPECT_FALSE(bits.take());
    EXPECT_FALSE(bits.take(5));
}

TEST(BitAllocatorDeathTest, GivingBackTwiceStopsTheProcess) {
    testing::GTEST_FLAG(death_test_style) = "threadsafe";
    BitAllocator bits(0, 64);
    EXPECT_DEATH(bits.give_back(5), "given back twice");
}

TEST(BitAllocator, ThreadsNeverHoldTheSameBit) {
    constexpr std::uint64_t count = 2048;
    BitAllocator bits(0, count);
    std::vector<std::atomic<bool>> held(count);
    std::atomic<bool> collision{false};
    std::vector<std::jthread> threads;
    for (unsigned seed = 0; seed < 4; ++seed) {
        threads.emplace_back([&, seed] {
            std::mt19937 random(seed);
            std::vector<std::uint64_t> mine;
            for (int i = 0; i < 20'000; ++i) {
                if (mine.size() < 300 && random() % 2 == 0) {
                    if (auto bit = random() % 2 == 0 ? bits.take() : bits.take(random() % count)) {
                        if (held[*bit].exchange(true)) collision = true;
                        mine.push_back(*bit);
                    }
                } else if (!mine.empty()) {
                    held[mine.back()] = false;
                    bits.give_back(mine.back());
                    mine.pop_back();
                }
            }
            for (const std::uint64_t bit : mine) {
                held[bit] = false;
                bits.give_back(bit);
            }
        });
    }
    threads.clear();
    EXPECT_FALSE(collision);
    EXPECT_EQ(bits.free_count(), count);
}

}  // namespace
}  // namespace lockstep::server::fs
