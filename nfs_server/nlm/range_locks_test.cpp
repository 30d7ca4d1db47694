#include "nfs_server/nlm/range_locks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

namespace lockstep::server::nlm {
namespace {

constexpr uint64_t eof = ByteRange::end_of_file;

TEST(ByteRange, TheWiresLengthsHaveTheirMeaning) {
    EXPECT_EQ(ByteRange::from_wire(5, 10), (ByteRange{5, 14}));
    EXPECT_EQ(ByteRange::from_wire(5, 0), (ByteRange{5, eof})) << "length 0: to the end of the file";
    EXPECT_EQ(ByteRange::from_wire(0, eof), (ByteRange{0, eof - 1}));
    EXPECT_EQ(ByteRange::from_wire(1, eof), (ByteRange{1, eof}));
    EXPECT_EQ(ByteRange::from_wire(eof, 1), (ByteRange{eof, eof}));
    EXPECT_EQ(ByteRange::from_wire(2, eof), std::nullopt) << "beyond 2^64";
    EXPECT_EQ(ByteRange::from_wire(eof, 2), std::nullopt);
    for (const ByteRange range : {ByteRange{0, 0}, ByteRange{3, 9}, ByteRange{7, eof}, ByteRange{0, eof}})
        EXPECT_EQ(ByteRange::from_wire(range.first, range.wire_length()), range);
}

TEST(RangeLocks, ReplacingTheMiddleLeavesThreeLocks) {
    RangeLocks locks;
    locks.lock(1, {0, 99}, LockMode::exclusive);
    locks.lock(1, {40, 59}, LockMode::shared);
    EXPECT_EQ(locks.all(), (std::vector<HeldLock>{{1, {0, 39}, LockMode::exclusive},
                                                  {1, {40, 59}, LockMode::shared},
                                                  {1, {60, 99}, LockMode::exclusive}}));
}

TEST(RangeLocks, NeighboursOfOneModeBecomeOne) {
    RangeLocks locks;
    locks.lock(1, {0, 9}, LockMode::shared);
    locks.lock(1, {20, eof}, LockMode::shared);
    locks.lock(1, {10, 19}, LockMode::shared);
    EXPECT_EQ(locks.all(), (std::vector<HeldLock>{{1, {0, eof}, LockMode::shared}}));
}

TEST(RangeLocks, UnlockingTheMiddleOfAllBytesLeavesBothEnds) {
    RangeLocks locks;
    locks.lock(1, {0, eof}, LockMode::exclusive);
    locks.unlock(1, {1, eof - 1});
    EXPECT_EQ(locks.all(),
              (std::vector<HeldLock>{{1, {0, 0}, LockMode::exclusive}, {1, {eof, eof}, LockMode::exclusive}}));
}

TEST(RangeLocks, TheConflictWithTheSmallestFirstByteIsTold) {
    RangeLocks locks;
    locks.lock(1, {50, 59}, LockMode::shared);
    locks.lock(2, {10, 19}, LockMode::exclusive);
    locks.lock(3, {30, 39}, LockMode::shared);
    EXPECT_EQ(locks.find_conflict(4, {0, eof}, LockMode::exclusive)->owner, 2u);
    EXPECT_EQ(locks.find_conflict(2, {0, eof}, LockMode::exclusive)->owner, 3u);
    EXPECT_EQ(locks.find_conflict(4, {20, eof}, LockMode::shared), std::nullopt);
    EXPECT_EQ(locks.find_conflict(1, {50, 59}, LockMode::exclusive), std::nullopt) << "an upgrade of its own";
}

// The model: one mode for each owner and cell. Cells are single bytes at both edges of the 64-bit range, and one cell
// for all the bytes between them.
constexpr size_t edge_cells = 24;
constexpr size_t cells = 2 * edge_cells + 1;
constexpr uint64_t owners = 4;

uint64_t first_byte_of(size_t cell) {
    return cell <= edge_cells ? cell : eof - (cells - 1 - cell);
}
uint64_t last_byte_of(size_t cell) {
    return cell < edge_cells ? cell : eof - (cells - 1 - cell);
}

class Model {
 public:
    void set(uint64_t owner, size_t from, size_t to, int mode) {
        for (size_t cell = from; cell <= to; ++cell) modes_[owner][cell] = mode;
    }
    bool conflicts(uint64_t owner, size_t from, size_t to, int mode) const {
        for (uint64_t other = 1; other <= owners; ++other)
            for (size_t cell = from; cell <= to; ++cell)
                if (other != owner && modes_[other][cell] != 0 && (modes_[other][cell] == 5 || mode == 5)) return true;
        return false;
    }
    // The locks that must exist: each owner's longest runs of one mode.
    std::vector<HeldLock> all() const {
        std::vector<HeldLock> all;
        for (uint64_t owner = 1; owner <= owners; ++owner) {
            for (size_t from = 0; from < cells;) {
                size_t to = from;
                while (to + 1 < cells && modes_[owner][to + 1] == modes_[owner][from]) ++to;
                if (modes_[owner][from] != 0)
                    all.push_back({owner, {first_byte_of(from), last_byte_of(to)}, LockMode(modes_[owner][from])});
                from = to + 1;
            }
        }
        return all;
    }

 private:
    std::array<std::array<int, cells>, owners + 1> modes_{};
};

TEST(RangeLocks, BehaveAsAnArrayOfBytesDoes) {
    const uint64_t seed = 20240607;
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    int granted = 0;
    int denied = 0;
    for (int round = 0; round < 60; ++round) {
        RangeLocks locks;
        Model model;
        for (int step = 0; step < 300; ++step) {
            const uint64_t owner = 1 + random() % owners;
            size_t from = random() % cells;
            size_t to = std::min(cells - 1, from + random() % (step % 5 == 0 ? cells : 4));
            const ByteRange range{first_byte_of(from), last_byte_of(to)};
            const auto mode = random() % 2 == 0 ? LockMode::shared : LockMode::exclusive;
            if (random() % 3 == 0) {
                const size_t before = locks.count();
                const bool splits = locks.unlock_splits(owner, range);
                locks.unlock(owner, range);
                ASSERT_EQ(splits, locks.count() == before + 1);
                model.set(owner, from, to, 0);
            } else {
                const bool conflict = locks.find_conflict(owner, range, mode).has_value();
                ASSERT_EQ(conflict, model.conflicts(owner, from, to, static_cast<int>(mode)));
                (conflict ? denied : granted) += 1;
                if (!conflict) {
                    locks.lock(owner, range, mode);
                    model.set(owner, from, to, static_cast<int>(mode));
                }
            }
            ASSERT_EQ(locks.all(), model.all()) << "round " << round << " step " << step;
            for (uint64_t held = 1; held <= owners; ++held) {
                const auto expected = model.all();
                ASSERT_EQ(locks.holds_any(held), std::ranges::count(expected, held, &HeldLock::owner) > 0);
            }
        }
    }
    EXPECT_GT(granted, 1000);
    EXPECT_GT(denied, 1000);
}

// A hundred thousand locks: what is asked stays quick (this would take minutes if searches were linear).
TEST(RangeLocks, ManyLocksStaySearchable) {
    RangeLocks locks;
    constexpr uint64_t count = 100'000;
    for (uint64_t i = 0; i < count; ++i) locks.lock(1 + i % 2, {i * 10, i * 10 + 4}, LockMode::exclusive);
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < count; ++i) {
        if (locks.find_conflict(3, {i * 10 + 5, i * 10 + 9}, LockMode::exclusive)) ++wrong;
        const auto conflict = locks.find_conflict(3, {i * 10 + 4, i * 10 + 9}, LockMode::shared);
        if (!conflict || conflict->range.first != i * 10) ++wrong;
    }
    EXPECT_EQ(wrong, 0u);
    EXPECT_EQ(locks.count(), count);
    locks.unlock(1, {0, eof});
    locks.unlock(2, {0, eof});
    EXPECT_TRUE(locks.empty());
}

}  // namespace
}  // namespace lockstep::server::nlm
