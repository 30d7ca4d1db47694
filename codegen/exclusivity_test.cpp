#include "codegen/exclusivity.hpp"

#include <gtest/gtest.h>

#include "codegen/model_for_test.hpp"

namespace lockstep::codegen {
namespace {

// Whether the checker takes two edges of `open` with these guards.
bool taken(const std::string& first, const std::string& second) {
    const std::string registers =
        "users: set of who\nmodes: map who -> mode\ncount: int\ntotal: unsigned\nfull: flag\nage: clock\nheld: ranges "
        "of who\n"
        "parameter limit = 5ms\n";
    const auto clause = [](const std::string& guard) { return guard.empty() ? "" : "; " + guard; };
    const Reading reading = read(graph(door_note + registers, "idle -> used [label=\"open" + clause(first) +
                                                                  "\"]; idle -> idle [label=\"open" + clause(second) +
                                                                  "\"]; used -> idle [label=\"close\"];"));
    for (const Diagnostic& diagnostic : reading.diagnostics) {
        if (diagnostic.code == "nondeterminism") return false;
        EXPECT_EQ(diagnostic.code, "no-start") << diagnostic.message;
    }
    return true;
}

TEST(Exclusivity, IsShownOfOppositeComparisons) {
    EXPECT_TRUE(taken("floor < 3", "floor >= 3"));
    EXPECT_TRUE(taken("floor == 3", "floor != 3"));
    EXPECT_TRUE(taken("3 > floor", "floor > 2"));
    EXPECT_TRUE(taken("count < floor", "floor <= count"));
    EXPECT_TRUE(taken("count == floor", "count < floor"));
    EXPECT_TRUE(taken("who == 'a'", "who == 'b'"));
    EXPECT_TRUE(taken("who == 'a'", "who != 'a'"));
    EXPECT_TRUE(taken("mode == EX", "mode == PR"));
    EXPECT_TRUE(taken("age < 5ms", "age >= 5ms"));
    EXPECT_TRUE(taken("age < limit", "age >= limit"));
}

TEST(Exclusivity, IsShownOfOppositeQuestions) {
    EXPECT_TRUE(taken("who in users", "!(who in users)"));
    EXPECT_TRUE(taken("full", "!full"));
    EXPECT_TRUE(taken("full == true", "!full"));
    EXPECT_TRUE(taken("full == false", "full"));
    EXPECT_TRUE(taken("conflicts(held, who, 0, 9, mode)", "!conflicts(held, who, 0, 9, mode)"));
    EXPECT_TRUE(taken("compatible(mode, modes)", "!compatible(mode, modes)"));
}

TEST(Exclusivity, KnowsOfSizes) {
    EXPECT_TRUE(taken("size(users) > 1", "size(users) == 1"));
    EXPECT_TRUE(taken("empty(users)", "size(users) >= 1"));
    EXPECT_TRUE(taken("empty(users)", "who in users"));
    EXPECT_TRUE(taken("size(held) == 0", "conflicts(held, who, 0, 9, mode)"));
    EXPECT_TRUE(taken("size(users) != 0", "size(users) < 1"));
    EXPECT_TRUE(taken("total > 0", "total == 0"));
    EXPECT_FALSE(taken("count > 0", "count == -1 || count == 1"));
}

TEST(Exclusivity, SeesThroughLogic) {
    EXPECT_TRUE(taken("floor == 1 || floor == 2", "floor > 2"));
    EXPECT_TRUE(taken("!(floor == 1 || full)", "floor == 1"));
    EXPECT_TRUE(taken("floor > 1 && full", "!full || floor <= 1"));
    EXPECT_TRUE(taken("full; floor > 1", "floor <= 1"));
    EXPECT_TRUE(taken("!(!full)", "!full"));
}

TEST(Exclusivity, IsNotClaimedWhereBothMayHold) {
    EXPECT_FALSE(taken("", ""));
    EXPECT_FALSE(taken("full", ""));
    EXPECT_FALSE(taken("floor < 3", "floor > 1"));
    EXPECT_FALSE(taken("floor < 3", "mode == EX"));
    EXPECT_FALSE(taken("who == 'a'", "who != 'b'"));
    EXPECT_FALSE(taken("count < floor", "count < mode"));
    EXPECT_FALSE(taken("floor == 1 || full", "floor == 2 || full"));
    EXPECT_FALSE(taken("conflicts(held, who, 0, 9, mode)", "!conflicts(held, who, 0, 8, mode)"));
    EXPECT_FALSE(taken("size(users) > 0", "who in users"));
    EXPECT_FALSE(taken("floor + 1 > 3", "floor <= 2"));  // true, but beyond this prover: it must say so, not guess
}

TEST(Exclusivity, GivesUpOnGuardsThatExplode) {
    std::string guard = "(floor == 0 || full)";
    for (int i = 1; i < 40; ++i) guard += " && (floor == " + std::to_string(i) + " || full)";
    EXPECT_FALSE(taken(guard, "!full && floor == 3"));
}

TEST(Exclusivity, FindsGuardsThatNeverHold) {
    const auto body = [](const std::string& guard) {
        return "idle -> used [label=\"open; " + guard + "\"]; used -> idle [label=\"close\"];";
    };
    for (const char* guard :
         {"floor < 1 && floor > 1", "total < 0", "full && !full", "1 == 2", "false", "count < count"})
        EXPECT_EQ(codes_of(graph(door_note + "full: flag\ntotal: unsigned\ncount: int\n", body(guard))),
                  std::vector<std::string>{"impossible-guard"})
            << guard;
}

}  // namespace
}  // namespace lockstep::codegen
