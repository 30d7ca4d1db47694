#include "monitors/runtime/context_table.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <unordered_map>
#include <vector>

namespace lockstep::monitors {
namespace {

struct NoRegisters {};
using Table = ContextTable<1, NoRegisters>;
using Found = Table::Found;
using Key = Table::Key;

Table::Insertion insert(Table& table, std::uint64_t key, std::uint16_t state) {
    Found found;
    return table.insert(Key{key}, Table::hash(Key{key}), state, false, true, found);
}

Found find(Table& table, std::uint64_t key) {
    return table.find(Key{key}, Table::hash(Key{key}));
}

bool erase(Table& table, std::uint64_t key) {
    Found found = find(table, key);
    if (!found || !Table::swap(found, found.control.with_status(Control::busy))) return false;
    table.release(found, Table::hash(Key{key}));
    return true;
}

TEST(ContextTable, HoldsAsManyContextsAsItWasMadeFor) {
    for (const std::uint64_t contexts : {1, 10, 1000, 100'000}) {
        Table table(contexts);
        for (std::uint64_t key = 0; key < contexts; ++key)
            ASSERT_EQ(Table::Insertion::done, insert(table, key, key % 7));
        for (std::uint64_t key = 0; key < contexts; ++key) ASSERT_EQ(key % 7, find(table, key).control.state());
    }
}

TEST(ContextTable, RefusesWhenItIsFullAndKeepsWhatItHas) {
    Table table(1);
    std::uint64_t key = 0;
    while (insert(table, key, 1) == Table::Insertion::done) ++key;
    EXPECT_EQ(Table::Insertion::full, insert(table, key, 1));
    EXPECT_LE(key, 512u);
    for (std::uint64_t kept = 0; kept < key; ++kept) ASSERT_TRUE(find(table, kept));
    ASSERT_TRUE(erase(table, 0));
}

// What lived long fills the near part; later contexts come and go in the far part, and are found there.
TEST(ContextTable, FindsInTheFarPartWhatTheNearPartHadNoRoomFor) {
    Table table(10'000);
    constexpr std::uint64_t lasting = 5'000;
    for (std::uint64_t key = 0; key < lasting; ++key) ASSERT_EQ(Table::Insertion::done, insert(table, key, 1));
    for (std::uint64_t key = lasting; key < 3 * lasting; ++key) {
        ASSERT_EQ(Table::Insertion::done, insert(table, key, 2));
        ASSERT_EQ(Table::Insertion::exists, insert(table, key, 2));
        ASSERT_TRUE(erase(table, key));
        ASSERT_FALSE(find(table, key));
    }
    for (std::uint64_t key = 0; key < lasting; ++key) {
        ASSERT_EQ(1, find(table, key).control.state());
        ASSERT_TRUE(erase(table, key));
    }
    for (std::uint64_t key = 0; key < lasting; ++key) ASSERT_FALSE(find(table, key));
}

TEST(ContextTable, ASlotIsReusedForeverWithoutSlowingDown) {
    Table table(100);
    for (std::uint64_t key = 0; key < 300'000; ++key) {
        ASSERT_EQ(Table::Insertion::done, insert(table, key, 1));
        ASSERT_TRUE(erase(table, key));
        ASSERT_FALSE(find(table, key));
    }
}

TEST(ContextTable, AStaleFindingChangesNothingInTheSlotsNextLife) {
    Table table(1);
    insert(table, 1, 1);
    Found stale = find(table, 1);
    ASSERT_TRUE(erase(table, 1));
    insert(table, 1, 1);
    EXPECT_FALSE(Table::swap(stale, stale.control.stepped(9)));
    EXPECT_EQ(1, find(table, 1).control.state());
}

// Each thread counts the steps that it brought about on shared keys; none may be lost, and no key may exist twice.
TEST(ContextTable, ConcurrentStepsInsertionsAndRemovalsLoseNothing) {
    constexpr std::uint64_t keys = 16, threads = 4, rounds = 30'000;
    Table table(64);
    std::atomic<std::uint64_t> inserted{0}, removed{0};
    std::vector<std::thread> running;
    for (std::uint64_t t = 0; t < threads; ++t)
        running.emplace_back([&, t] {
            std::uint64_t random = t + 1;
            for (std::uint64_t i = 0; i < rounds; ++i) {
                random = mix(random, 0x9e3779b97f4a7c15) + i;
                const std::uint64_t key = random % keys;
                Found found = find(table, key);
                if (!found) {
                    if (insert(table, key, 0) == Table::Insertion::done) ++inserted;
                } else if (random % 8 == 0) {
                    if (erase(table, key)) ++removed;
                } else {
                    Table::swap(found, found.control.stepped(static_cast<std::uint16_t>(found.control.state() + 1)));
                }
            }
        });
    for (auto& thread : running) thread.join();

    std::unordered_map<std::uint64_t, int> alive;
    table.for_each([&alive](std::uint64_t, Control, const Key& key) { ++alive[key[0]]; });
    for (const auto& [key, count] : alive) EXPECT_EQ(1, count) << "key " << key;
    EXPECT_EQ(inserted - removed, alive.size());
}

}  // namespace
}  // namespace lockstep::monitors
