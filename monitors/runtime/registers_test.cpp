#include "monitors/runtime/registers.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <vector>

namespace lockstep::monitors {
namespace {

constexpr std::uint64_t pr = 3, ex = 5;
constexpr std::uint64_t end = UINT64_MAX;

TEST(SetRegister, FitsUpToItsCapacityAndNoFurther) {
    BlockStore store(100);
    BlockPool pool(store);
    Set<40> set;
    for (std::uint64_t value = 0; value < 40; ++value) EXPECT_TRUE(set.insert(pool, value * 3));
    EXPECT_TRUE(set.insert(pool, 0)) << "already there";
    EXPECT_EQ(40u, set.size());
    EXPECT_TRUE(set.fits());
    EXPECT_TRUE(set.insert(pool, 1));
    EXPECT_FALSE(set.fits());
    set.erase(pool, 3);
    EXPECT_FALSE(set.contains(pool, 3));
    EXPECT_TRUE(set.fits());
}

TEST(SetRegister, AnEmptyPoolRefusesAndClearGivesEveryBlockBack) {
    BlockStore store(2);
    BlockPool pool(store);
    Set<1000> set;
    std::uint64_t inserted = 0;
    while (set.insert(pool, inserted)) ++inserted;
    EXPECT_EQ(30u, inserted) << "two blocks of 15 values";
    set.clear(pool);
    EXPECT_EQ(0u, set.size());
    for (std::uint64_t value = 0; value < 30; ++value) EXPECT_TRUE(set.insert(pool, value));
}

TEST(MapRegister, AgreesWithStdMapOverRandomOperations) {
    std::mt19937_64 random(7);
    BlockStore store(1000);
    BlockPool pool(store);
    Map<64> map;
    std::map<std::uint64_t, std::uint64_t> expected;
    for (int i = 0; i < 20'000; ++i) {
        const std::uint64_t key = random() % 50;
        if (random() % 3 == 0) {
            map.erase(pool, key);
            expected.erase(key);
        } else {
            ASSERT_TRUE(map.assign(pool, key, i));
            expected[key] = i;
        }
        ASSERT_EQ(expected.size(), map.size());
        ASSERT_EQ(expected.contains(key), map.contains(pool, key));
        ASSERT_EQ(expected.contains(key) ? expected[key] : 0, map.at(pool, key));
    }
}

TEST(MapRegister, CompatibilityIsTheDlmsWithEveryValueOrAllButOnes) {
    BlockStore store(10);
    BlockPool pool(store);
    Map<8> holders;
    EXPECT_TRUE(holders.compatible(pool, ex));
    ASSERT_TRUE(holders.assign(pool, 1, pr));
    EXPECT_TRUE(holders.compatible(pool, pr));
    EXPECT_FALSE(holders.compatible(pool, ex));
    EXPECT_TRUE(holders.compatible_but(pool, ex, 1));
    EXPECT_FALSE(holders.compatible_but(pool, ex, 2));
}

using Table = Ranges<64>;
using Rows = std::set<std::vector<std::uint64_t>>;

Rows rows(const Table& table, BlockPool& pool) {
    Rows all;
    table.find(pool, [&all](const std::uint64_t* entry) {
        all.insert({entry[0], entry[1], entry[2], entry[3]});
        return false;
    });
    EXPECT_EQ(all.size(), table.size());
    return all;
}

TEST(RangesRegister, ReplacesSplitsAndMergesTheOwnersOwnRanges) {
    BlockStore store(100);
    BlockPool pool(store);
    Table table;
    ASSERT_TRUE(table.lock(pool, 1, 0, 99, pr));
    ASSERT_TRUE(table.lock(pool, 1, 40, 59, ex));
    EXPECT_EQ((Rows{{1, 0, 39, pr}, {1, 40, 59, ex}, {1, 60, 99, pr}}), rows(table, pool));
    ASSERT_TRUE(table.lock(pool, 1, 40, 59, pr));
    EXPECT_EQ((Rows{{1, 0, 99, pr}}), rows(table, pool)) << "equal neighbours become one";
    ASSERT_TRUE(table.unlock(pool, 1, 10, 19));
    EXPECT_EQ((Rows{{1, 0, 9, pr}, {1, 20, 99, pr}}), rows(table, pool));
    ASSERT_TRUE(table.lock(pool, 2, 5, 25, pr));
    EXPECT_EQ(3u, table.size()) << "another owner's are untouched";
}

TEST(RangesRegister, ReachesToTheEndOfTheFileWithoutWrappingAround) {
    BlockStore store(100);
    BlockPool pool(store);
    Table table;
    ASSERT_TRUE(table.lock(pool, 1, 10, end, ex));
    ASSERT_TRUE(table.lock(pool, 1, 0, 9, ex));
    EXPECT_EQ((Rows{{1, 0, end, ex}}), rows(table, pool));
    ASSERT_TRUE(table.unlock(pool, 1, 0, 4));
    EXPECT_EQ((Rows{{1, 5, end, ex}}), rows(table, pool));
    ASSERT_TRUE(table.lock(pool, 1, 0, 3, ex));
    EXPECT_EQ(2u, table.size()) << "byte 4 lies between";
}

TEST(RangesRegister, ConflictsOnlyWithOthersInIncompatibleModesThatOverlap) {
    BlockStore store(100);
    BlockPool pool(store);
    Table table;
    ASSERT_TRUE(table.lock(pool, 1, 10, 19, pr));
    EXPECT_FALSE(table.conflicts(pool, 1, 10, 19, ex)) << "one's own";
    EXPECT_FALSE(table.conflicts(pool, 2, 10, 19, pr)) << "shared";
    EXPECT_FALSE(table.conflicts(pool, 2, 0, 9, ex)) << "beside it";
    EXPECT_TRUE(table.conflicts(pool, 2, 19, end, ex));
    EXPECT_FALSE(table.conflicts(pool, 2, 15, 12, ex)) << "an empty range";
}

TEST(RangesRegister, LeavesEmptyForetellsUnlock) {
    BlockStore store(100);
    BlockPool pool(store);
    Table table;
    EXPECT_TRUE(table.leaves_empty(pool, 1, 0, 9));
    ASSERT_TRUE(table.lock(pool, 1, 0, 9, ex));
    EXPECT_FALSE(table.leaves_empty(pool, 1, 1, 9));
    EXPECT_TRUE(table.leaves_empty(pool, 1, 0, end));
    EXPECT_FALSE(table.leaves_empty(pool, 2, 0, end));
}

TEST(RangesRegister, ASplitMayTakeItPastItsCapacityAndTheNextUnlockBack) {
    BlockStore store(100);
    BlockPool pool(store);
    Ranges<1> table;
    ASSERT_TRUE(table.lock(pool, 1, 0, 9, ex));
    ASSERT_TRUE(table.unlock(pool, 1, 4, 5));
    EXPECT_FALSE(table.fits());
    ASSERT_TRUE(table.unlock(pool, 1, 6, 9));
    EXPECT_TRUE(table.fits());
}

// A model of what POSIX says, one byte at a time.
TEST(RangesRegister, AgreesWithAByteArrayOverRandomOperations) {
    constexpr std::uint64_t bytes = 24, owners = 3;
    std::mt19937_64 random(11);
    BlockStore store(1000);
    BlockPool pool(store);
    Table table;
    std::uint64_t held[owners][bytes] = {};  // mode + 1, or 0
    for (int i = 0; i < 20'000; ++i) {
        const std::uint64_t owner = random() % owners, first = random() % bytes, last = random() % bytes;
        const std::uint64_t mode = random() % 2 == 0 ? pr : ex;
        const bool locks = random() % 2 == 0;
        ASSERT_TRUE(locks ? table.lock(pool, owner, first, last, mode) : table.unlock(pool, owner, first, last));
        for (std::uint64_t byte = first; byte <= last && byte < bytes; ++byte) held[owner][byte] = locks ? mode + 1 : 0;

        Rows expected;
        for (std::uint64_t who = 0; who < owners; ++who)
            for (std::uint64_t byte = 0; byte < bytes;) {
                const std::uint64_t start = byte, mode_there = held[who][byte];
                while (byte < bytes && held[who][byte] == mode_there) ++byte;
                if (mode_there != 0) expected.insert({who, start, byte - 1, mode_there - 1});
            }
        ASSERT_EQ(expected, rows(table, pool)) << "operation " << i;
    }
}

}  // namespace
}  // namespace lockstep::monitors
