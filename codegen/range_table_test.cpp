#include "codegen/range_table.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace lockstep::codegen {
namespace {

constexpr int PR = 3;
constexpr int EX = 5;
using Table = RangeTable<int>;

TEST(RangeTable, LockingTheMiddleInAnotherModeSplits) {
    Table table;
    table.lock(1, 0, 99, PR);
    table.lock(1, 40, 59, EX);
    EXPECT_EQ(table.ranges().size(), 3U);
    EXPECT_TRUE(table.conflicts(2, 50, 50, PR));
    EXPECT_FALSE(table.conflicts(2, 39, 39, PR));
}

TEST(RangeTable, NeighboursOfOneModeMerge) {
    Table table;
    table.lock(1, 0, 9, EX);
    table.lock(1, 20, 29, EX);
    table.lock(1, 10, 19, EX);
    EXPECT_EQ(table.ranges().size(), 1U);
}

TEST(RangeTable, TheEndOfTheFileIsNobodysNeighbour) {
    Table table;
    table.lock(1, 100, UINT64_MAX, EX);
    table.lock(1, 0, 9, EX);
    EXPECT_EQ(table.ranges().size(), 2U);
    table.unlock(1, 100, UINT64_MAX);
    EXPECT_EQ(table.ranges().size(), 1U);
}

TEST(RangeTable, AnEmptyRangeIsNothing) {
    Table table;
    table.lock(1, 5, 4, EX);
    EXPECT_TRUE(table.ranges().empty());
    table.lock(1, 0, 9, EX);
    table.unlock(1, 5, 4);
    EXPECT_FALSE(table.conflicts(2, 5, 4, EX));
    EXPECT_EQ(table.ranges().size(), 1U);
}

TEST(RangeTable, OwnLocksNeverConflict) {
    Table table;
    table.lock(1, 0, 9, EX);
    EXPECT_FALSE(table.conflicts(1, 0, 9, EX));
}

// Against one mode for each byte and owner, over random operations.
TEST(RangeTable, AgreesWithATablePerByte) {
    const unsigned seed = 20240611;
    std::mt19937 random(seed);
    constexpr int owners = 3;
    constexpr int bytes = 24;
    for (int run = 0; run < 200; ++run) {
        Table table;
        std::array<std::array<int, bytes>, owners> plain{};  // 0: nothing held
        for (int step = 0; step < 40; ++step) {
            const int owner = static_cast<int>(random() % owners);
            const int first = static_cast<int>(random() % bytes);
            const int last = static_cast<int>(random() % bytes);
            const int mode = random() % 2 == 0 ? PR : EX;
            const bool lock = random() % 3 != 0;
            if (lock)
                table.lock(owner, first, last, mode);
            else
                table.unlock(owner, first, last);
            for (int byte = first; byte <= last; ++byte) plain[owner][byte] = lock ? mode : 0;

            std::size_t intervals = 0;
            for (int o = 0; o < owners; ++o)
                for (int byte = 0; byte < bytes; ++byte)
                    if (plain[o][byte] != 0 && (byte == 0 || plain[o][byte - 1] != plain[o][byte])) ++intervals;
            ASSERT_EQ(table.ranges().size(), intervals) << "seed " << seed << " run " << run << " step " << step;
            for (int byte = 0; byte < bytes; ++byte) {
                bool conflict = false;
                for (int o = 0; o < owners; ++o)
                    conflict |= o != owner && plain[o][byte] != 0 && (plain[o][byte] == EX || mode == EX);
                ASSERT_EQ(table.conflicts(owner, byte, byte, mode), conflict)
                    << "seed " << seed << " run " << run << " step " << step << " byte " << byte;
            }
        }
    }
}

}  // namespace
}  // namespace lockstep::codegen
