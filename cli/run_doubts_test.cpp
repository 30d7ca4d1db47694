// A live verdict is believed only when everything that the clients fired arrived.
#include "cli/run_doubts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep::cli {
namespace {

using harness::Counting;
using testing::ElementsAre;
using testing::IsEmpty;

const harness::FiredCounts fired = {{"lock_api:acquired", 10}, {"lock_api:released", 9}, {"lock_api:denied", 5}};
const std::vector<std::string> wanted = {"lock_api:acquired", "lock_api:released"};

monitors::LiveResult complete_with(std::uint64_t events) {
    monitors::LiveResult result;
    result.complete = true;
    result.events = events;
    return result;
}

TEST(Doubts, NoneWhenExactlyWhatWasFiredArrived) {
    EXPECT_THAT(doubts_of(complete_with(19), wanted, fired, Counting::exact), IsEmpty());
}

TEST(Doubts, TwoMonitorsOfOneTracepointDoNotMakeItCountTwice) {
    std::vector<std::string> twice = wanted;
    twice.insert(twice.end(), wanted.begin(), wanted.end());
    EXPECT_THAT(doubts_of(complete_with(19), twice, fired, Counting::exact), IsEmpty());
}

TEST(Doubts, OneEventMissingOrOneTooManyIsDoubted) {
    EXPECT_THAT(doubts_of(complete_with(18), wanted, fired, Counting::exact),
                ElementsAre("the clients fired 19 events, 18 arrived"));
    EXPECT_THAT(doubts_of(complete_with(20), wanted, fired, Counting::exact),
                ElementsAre("the clients fired 19 events, 20 arrived"));
}

TEST(Doubts, EventsOfOthersMayComeOnTopButNotInstead) {
    std::vector<std::string> with_server = wanted;
    with_server.push_back("nlm:lock_granted");
    EXPECT_THAT(doubts_of(complete_with(500), with_server, fired, Counting::exact), IsEmpty());
    EXPECT_EQ(doubts_of(complete_with(18), with_server, fired, Counting::exact).size(), 1U);
}

TEST(Doubts, AClientWithoutACountIsDoubtedWhateverArrived) {
    EXPECT_THAT(doubts_of(complete_with(19), wanted, fired, Counting::unknown),
                ElementsAre("a client did not tell how many events it fired"));
}

TEST(Doubts, AnIncompleteReadIsDoubtedInItsOwnWords) {
    monitors::LiveResult result = complete_with(19);
    result.complete = false;
    EXPECT_THAT(doubts_of(result, wanted, fired, Counting::exact), ElementsAre("not every event was read"));
    result.problems = {"the session daemon died"};
    EXPECT_THAT(doubts_of(result, wanted, fired, Counting::exact), ElementsAre("the session daemon died"));
}

TEST(Doubts, CommandsOfTheUsersMayFireMoreThanWasCountedAndNeverFewer) {
    EXPECT_THAT(doubts_of(complete_with(20), wanted, fired, Counting::at_least), IsEmpty());
    EXPECT_EQ(doubts_of(complete_with(18), wanted, fired, Counting::at_least).size(), 1U);
}

}  // namespace
}  // namespace lockstep::cli
