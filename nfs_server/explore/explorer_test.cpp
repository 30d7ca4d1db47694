// The exploration finds nothing in a sound server, and every deliberate fault of storage.
#include "nfs_server/explore/explorer.hpp"

#include <gtest/gtest.h>

#include "nfs_server/explore/workload.hpp"

namespace lockstep::server::explore {
namespace {

std::string describe(const std::optional<Failure>& failure) {
    return failure ? to_string(failure->steps) + ": " + failure->problem : std::string();
}

TEST(Steps, AreReadAsTheyAreWritten) {
    const std::string text =
        "creat A/foo; exclusive bar; mkdir D; symlink l; fifo p; link foo A/bar; rename foo B/foo; remove foo; rmdir "
        "B; "
        "write foo 4000 200 sync; write foo 0 1 unstable; truncate foo 50; chmod foo 448; commit; settle; checkpoint; "
        "restart";
    const auto steps = parse_steps(text);
    ASSERT_TRUE(steps) << steps.error();
    EXPECT_EQ(to_string(*steps), text);
    for (const char* wrong : {"fly", "creat", "creat a b", "write foo 1 2", "write foo 1 2 maybe", "truncate foo x"})
        EXPECT_FALSE(parse_steps(wrong)) << wrong;
}

TEST(AceSequences, ComeInAnOrderThatTheSeedGivesEachOnce) {
    const AceSequences sequences(1, 5), others(1, 6);
    std::set<std::string> all;
    for (std::uint64_t i = 0; i < sequences.count(); ++i) all.insert(to_string(sequences.at(i)));
    EXPECT_EQ(all.size(), sequences.count());
    EXPECT_NE(to_string(sequences.at(0)), to_string(others.at(0)));
    EXPECT_EQ(AceSequences(2, 1).count(), sequences.count() * sequences.count());
}

TEST(RecordedRun, MustKeepWhatWasAcknowledgedAndMayKeepWhatWasBegun) {
    const RecordedRun run(*parse_steps("creat one; write one 0 10 unstable; creat two"));
    ASSERT_FALSE(run.disagreement()) << *run.disagreement();
    const Allowed at_first = run.allowed_at(0), at_last = run.allowed_at(run.disk().events().size());
    EXPECT_EQ(at_first.first, 0u);
    EXPECT_EQ(at_last.first, 3u) << "the last CREATE made the write before it durable, too";
    EXPECT_EQ(at_last.last, 3u);
    EXPECT_EQ(run.trees().size(), 4u);
    EXPECT_EQ(run.trees().back().entries.at("one").attributes.size, 10u);
}

TEST(Explorer, FindsNothingInAPartOfTheShortSequences) {
    Explorer explorer({.seed = 1, .states_limit = 2000});
    const AceSequences sequences(1, 1);
    for (std::uint64_t i = 0; i < sequences.count() && !explorer.limit_reached(); ++i)
        ASSERT_EQ("", describe(explorer.explore(sequences.at(i))));
    EXPECT_GT(explorer.counts().states, 500u);
    EXPECT_GT(explorer.counts().recovery_states, 100u);
}

TEST(Explorer, FindsNothingWhereBlocksAreFilledFreedAndFilledAgain) {
    Explorer explorer({.seed = 1, .states_limit = 2000});
    const AceSequences sequences(3, 1, Operations::reuse);
    for (std::uint64_t i = 0; i < sequences.count() && !explorer.limit_reached(); ++i)
        ASSERT_EQ("", describe(explorer.explore(sequences.at(i))));
    EXPECT_GT(explorer.counts().placed_blocks, 20u) << "of those that go straight home";
}

TEST(Explorer, FindsNothingInARandomWorkload) {
    Explorer explorer({.seed = 1, .states_limit = 1500});
    for (std::uint64_t seed = 1; !explorer.limit_reached(); ++seed)
        ASSERT_EQ("", describe(explorer.explore(random_steps(30, seed)))) << "seed " << seed;
}

TEST(Explorer, TheSameCaseGivesTheSameStates) {
    const auto count = [] {
        Explorer explorer({.seed = 4});
        EXPECT_EQ("", describe(explorer.explore(*parse_steps("write foo 0 5000 unstable; creat A/bar; checkpoint"))));
        return explorer.counts().states;
    };
    EXPECT_EQ(count(), count());
}

class ExplorerFault : public testing::TestWithParam<const char*> {};

// The fault strikes once in a while: some short workload meets it.
TEST_P(ExplorerFault, IsFoundAndTheCaseIsMadeSmall) {
    Explorer explorer({.seed = 1, .fault = GetParam()});
    const AceSequences sequences(2, 1);
    std::optional<Failure> failure;
    for (std::uint64_t i = 0; i < 400 && !failure; ++i) failure = explorer.explore(sequences.at(i));
    ASSERT_TRUE(failure);
    const Failure small = explorer.shrink(*failure);
    EXPECT_LE(small.steps.size(), failure->steps.size());
    ASSERT_TRUE(small.state);
    Explorer again({.seed = 1, .fault = GetParam(), .fault_seed = small.fault_seed, .only = small.state});
    EXPECT_TRUE(again.explore(small.steps)) << "the small case fails again: " << describe(small);
    Explorer without({.seed = 1, .only = small.state});
    EXPECT_EQ("", describe(without.explore(small.steps))) << "only the fault makes it fail";
}
INSTANTIATE_TEST_SUITE_P(Faults, ExplorerFault,
                         testing::Values("skip_barrier", "install_early", "reply_before_commit",
                                         "keep_reply_in_memory"),
                         [](const auto& test) { return std::string(test.param); });

struct PlacingFault {
    const char* fault;
    const char* steps;

    friend void PrintTo(const PlacingFault& which, std::ostream* out) { *out << which.fault; }
};
class ExplorerPlacingFault : public testing::TestWithParam<PlacingFault> {};

// Faults that need several steps to matter: the explorer finds each in `reuse:3`, but not within a test's time.
TEST_P(ExplorerPlacingFault, IsFoundWhereBlocksArePlacedAndChangedAgain) {
    const Steps steps = *parse_steps(GetParam().steps);
    Explorer explorer({.seed = 1, .fault = GetParam().fault});
    EXPECT_TRUE(explorer.explore(steps));
    EXPECT_GT(explorer.counts().placed_blocks, 0u);
    Explorer without({.seed = 1});
    EXPECT_EQ("", describe(without.explore(steps))) << "only the fault makes it fail";
}
INSTANTIATE_TEST_SUITE_P(
    Faults, ExplorerPlacingFault,
    testing::Values(PlacingFault{"reuse_early", "write foo 3000 30000 sync; truncate foo 0; write foo 3000 30000 sync"},
                    PlacingFault{"forget_settling",
                                 "write A/foo 3000 30000 unstable; write A/foo 3000 30000 unstable; checkpoint"}),
    [](const auto& test) { return std::string(test.param.fault); });

}  // namespace
}  // namespace lockstep::server::explore
