// The checker against a graph of all conflicts, which is slow and obviously right; and what it says of small histories.
#include "monitors/serialisability/serialisability.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace lockstep::monitors {
namespace {

constexpr ByteRange x{1, 0, 8}, y{1, 8, 16}, z{2, 0, 4096};

TEST(Serialisability, TransactionsOneAfterTheOtherAreSerialisable) {
    SerialisabilityChecker checker;
    for (std::uint64_t transaction = 1; transaction <= 100; ++transaction) {
        checker.began(transaction);
        checker.read(transaction, x);
        checker.wrote(transaction, y);
        checker.wrote(transaction, x);
        EXPECT_FALSE(checker.committed(transaction));
    }
    EXPECT_EQ(100u, checker.committed_count());
    EXPECT_EQ(0u, checker.running_count());
}

TEST(Serialisability, TwoStatesSeenByOneTransactionAreACycle) {
    SerialisabilityChecker checker;
    checker.began(1);
    checker.read(1, x);
    checker.began(2);
    checker.wrote(2, x);
    checker.wrote(2, y);
    EXPECT_FALSE(checker.committed(2));
    checker.read(1, y);
    const auto violation = checker.committed(1);
    ASSERT_TRUE(violation);
    EXPECT_EQ(1u, violation->transaction);
    EXPECT_EQ(2u, violation->other);
    EXPECT_EQ(2u, violation->follows);
    EXPECT_EQ(
        "transactions 1 and 2 each have to come before the other: 1 read bytes 0 to 7 of block 1 before 2 changed "
        "them, and met "
        "bytes 8 to 15 of block 1 as 2 left them",
        violation->to_text());
}

TEST(Serialisability, AStaleReadAloneIsAnEarlierPlaceInTheOrder) {
    SerialisabilityChecker checker;
    checker.began(1);
    checker.read(1, x);
    checker.began(2);
    checker.wrote(2, x);
    EXPECT_FALSE(checker.committed(2));
    checker.wrote(1, y);
    EXPECT_FALSE(checker.committed(1));
}

TEST(Serialisability, ALostUpdateIsACycle) {
    SerialisabilityChecker checker;
    for (const std::uint64_t transaction : {1, 2}) {
        checker.began(transaction);
        checker.read(transaction, x);
        checker.wrote(transaction, x);
    }
    EXPECT_FALSE(checker.committed(1));
    EXPECT_TRUE(checker.committed(2));
}

TEST(Serialisability, WriteSkewIsACycle) {
    SerialisabilityChecker checker;
    for (const std::uint64_t transaction : {1, 2}) {
        checker.began(transaction);
        checker.read(transaction, x);
        checker.read(transaction, y);
        checker.wrote(transaction, transaction == 1 ? x : y);
    }
    EXPECT_FALSE(checker.committed(1));
    EXPECT_TRUE(checker.committed(2));
}

// 3 read x before 1 changed it, and follows 2, which follows 1 by z.
TEST(Serialisability, ACycleOfThreeNamesWhoIsInBetween) {
    SerialisabilityChecker checker;
    checker.began(3);
    checker.read(3, x);
    checker.began(1);
    checker.wrote(1, x);
    checker.wrote(1, z);
    EXPECT_FALSE(checker.committed(1));
    checker.began(2);
    checker.read(2, z);
    checker.wrote(2, y);
    EXPECT_FALSE(checker.committed(2));
    checker.read(3, y);
    const auto violation = checker.committed(3);
    ASSERT_TRUE(violation);
    EXPECT_EQ(1u, violation->other);
    EXPECT_EQ(2u, violation->follows);
    EXPECT_THAT(violation->to_text(), testing::HasSubstr("as 2 left them, which follows 1"));
}

TEST(Serialisability, WhatAbortsHasNoPlaceInTheOrder) {
    SerialisabilityChecker checker;
    checker.began(1);
    checker.read(1, x);
    checker.began(2);
    checker.wrote(2, x);
    checker.wrote(2, y);
    EXPECT_FALSE(checker.committed(2));
    checker.read(1, y);
    checker.aborted(1);
    EXPECT_EQ(0u, checker.running_count());
    EXPECT_EQ(1u, checker.committed_count());
}

TEST(Serialisability, NeighboursInABlockDoNotConflict) {
    SerialisabilityChecker checker;
    for (const std::uint64_t transaction : {1, 2}) {
        checker.began(transaction);
        checker.read(transaction, transaction == 1 ? x : y);
        checker.wrote(transaction, transaction == 1 ? x : y);
    }
    EXPECT_FALSE(checker.committed(1));
    EXPECT_FALSE(checker.committed(2));
}

TEST(Serialisability, ATransactionThatWasNotSeenToBeginIsIgnored) {
    SerialisabilityChecker checker;
    checker.read(7, x);
    checker.wrote(7, x);
    EXPECT_FALSE(checker.committed(7));
    EXPECT_EQ(0u, checker.committed_count());
}

// All conflicts as edges, and every cycle looked for at every commit. Bytes one by one; slots as in the checker: the
// one that was free last.
class Graph {
 public:
    void began(std::uint64_t t) {
        if (free_.empty()) free_.push_back(slots_++);
        Node& node = nodes_[t];
        node.slot = free_.back();
        free_.pop_back();
        if (last_in_.contains(node.slot)) edges_[last_in_[node.slot]].insert(t);
    }
    void read(std::uint64_t t, const ByteRange& bytes) {
        bool own = false;
        for (const ByteRange& write : nodes_[t].writes)
            own |= write.block == bytes.block && write.first <= bytes.first && bytes.end <= write.end;
        if (own) return;
        for_each(bytes, [&](auto& byte) { nodes_[t].seen.push_back({&byte, byte.versions.size()}); });
    }
    void wrote(std::uint64_t t, const ByteRange& bytes) { nodes_[t].writes.push_back(bytes); }
    bool committed(std::uint64_t t) {
        Node& node = nodes_[t];
        std::set<Byte*> written;
        for (const ByteRange& write : node.writes) for_each(write, [&](auto& byte) { written.insert(&byte); });
        for (const auto& [byte, version] : node.seen) {
            if (version > 0) edges_[byte->versions[version - 1]].insert(t);
            for (std::size_t later = version; later < byte->versions.size(); ++later)
                edges_[t].insert(byte->versions[later]);
        }
        for (Byte* byte : written) {
            for (const std::uint64_t writer : byte->versions) edges_[writer].insert(t);
            for (const std::uint64_t reader : byte->readers) edges_[reader].insert(t);
        }
        for (const auto& [byte, version] : node.seen) byte->readers.insert(t);
        for (Byte* byte : written) byte->versions.push_back(t);
        edges_[t].erase(t);
        release(t);
        last_in_[node.slot] = t;
        std::set<std::uint64_t> visited;
        return reaches(t, t, visited);
    }
    void aborted(std::uint64_t t) {
        release(t);
        for (auto& [from, to] : edges_) to.erase(t);
    }

 private:
    struct Byte {
        std::vector<std::uint64_t> versions;
        std::set<std::uint64_t> readers;
    };
    struct Node {
        std::size_t slot = 0;
        std::vector<std::pair<Byte*, std::size_t>> seen;
        std::vector<ByteRange> writes;
    };
    template <class Visit>
    void for_each(const ByteRange& bytes, Visit visit) {
        for (std::uint32_t at = bytes.first; at < bytes.end; ++at) visit(bytes_[{bytes.block, at}]);
    }
    void release(std::uint64_t t) { free_.push_back(nodes_[t].slot); }
    bool reaches(std::uint64_t from, std::uint64_t to, std::set<std::uint64_t>& visited) {
        for (const std::uint64_t next : edges_[from]) {
            if (next == to) return true;
            if (visited.insert(next).second && reaches(next, to, visited)) return true;
        }
        return false;
    }

    std::map<std::pair<std::uint64_t, std::uint32_t>, Byte> bytes_;
    std::map<std::uint64_t, Node> nodes_;
    std::map<std::uint64_t, std::set<std::uint64_t>> edges_;
    std::vector<std::size_t> free_;
    std::size_t slots_ = 0;
    std::map<std::size_t, std::uint64_t> last_in_;
};

// Until the first cycle: behind it the order is broken anyway.
class SerialisabilityHistories : public testing::TestWithParam<unsigned> {};

TEST_P(SerialisabilityHistories, AreJudgedAsByTheGraphOfAllConflicts) {
    std::mt19937_64 random(GetParam());
    int cycles = 0;
    for (int history = 0; history < 400; ++history) {
        SerialisabilityChecker checker;
        Graph graph;
        std::vector<std::uint64_t> running;
        std::uint64_t next = 1;
        const auto range = [&] {
            const auto first = static_cast<std::uint32_t>(random() % 6);
            return ByteRange{random() % 4, first, first + 1 + static_cast<std::uint32_t>(random() % 3)};
        };
        for (int step = 0; step < 120; ++step) {
            if (running.size() < 4 && random() % 3 == 0) {
                running.push_back(next++);
                checker.began(running.back());
                graph.began(running.back());
                continue;
            }
            if (running.empty()) continue;
            const std::size_t at = random() % running.size();
            const std::uint64_t t = running[at];
            const ByteRange bytes = range();
            const auto what = random() % 8;
            if (what < 3) {
                checker.read(t, bytes);
                graph.read(t, bytes);
            } else if (what < 4) {
                checker.wrote(t, bytes);
                graph.wrote(t, bytes);
            } else {
                running.erase(running.begin() + static_cast<std::ptrdiff_t>(at));
                if (what == 4) {
                    checker.aborted(t);
                    graph.aborted(t);
                    continue;
                }
                const bool cycle = graph.committed(t);
                ASSERT_EQ(cycle, checker.committed(t).has_value()) << "history " << history << ", step " << step;
                cycles += cycle;
                if (cycle) break;
            }
        }
    }
    EXPECT_GT(cycles, 20);
    EXPECT_LT(cycles, 380);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SerialisabilityHistories, testing::Range(1u, 6u));

}  // namespace
}  // namespace lockstep::monitors
