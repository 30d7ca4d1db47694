// When faults strike: at a time, at random from the seed, after events; and how they end.
#include "netns_harness/fault_schedule.hpp"

#include <gtest/gtest.h>

#include <set>

namespace lockstep::harness {
namespace {

const FaultSchedule::Occurrences nothing_seen = [](const std::string&) { return 0U; };

FaultPlan kill_of(const std::vector<std::string>& hosts) {
    FaultPlan plan;
    plan.kind = "kill";
    plan.on = hosts;
    return plan;
}

// The times at which a schedule's faults begin, asked every millisecond.
std::vector<std::int64_t> beginnings(const std::vector<FaultPlan>& plans, std::uint64_t seed, std::int64_t until_ms) {
    FaultSchedule schedule(plans, seed);
    std::vector<std::int64_t> times;
    for (std::int64_t ms = 0; ms < until_ms; ++ms)
        for (const auto& change : schedule.due(milliseconds(ms), nothing_seen))
            if (change.begins) times.push_back(ms);
    return times;
}

TEST(FaultSchedule, AFaultAtATimeStrikesOnceAndEndsAfterItsTime) {
    FaultPlan plan = kill_of({"server"});
    plan.at = milliseconds(100);
    plan.lasts = milliseconds(50);
    const std::vector plans{plan};
    FaultSchedule schedule(plans, 1);
    EXPECT_EQ(schedule.next(), milliseconds(100));
    EXPECT_TRUE(schedule.due(milliseconds(99), nothing_seen).empty());
    const auto begun = schedule.due(milliseconds(103), nothing_seen);
    ASSERT_EQ(begun.size(), 1U);
    EXPECT_TRUE(begun[0].begins);
    EXPECT_EQ(begun[0].hosts, std::vector<std::string>{"server"});
    EXPECT_EQ(schedule.next(), milliseconds(153)) << "its time counts from when it began";
    const auto ended = schedule.due(milliseconds(153), nothing_seen);
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_FALSE(ended[0].begins);
    EXPECT_TRUE(schedule.due(milliseconds(10'000), nothing_seen).empty());
}

TEST(FaultSchedule, RandomTimesFollowFromTheSeedAndKeepTheirDistance) {
    FaultPlan plan = kill_of({"a", "b", "c"});
    plan.every = milliseconds(100);
    plan.lasts = milliseconds(10);
    plan.times = 0;
    plan.pick_one = true;
    const auto once = beginnings({plan}, 7, 10'000);
    EXPECT_EQ(once, beginnings({plan}, 7, 10'000));
    EXPECT_NE(once, beginnings({plan}, 8, 10'000));
    EXPECT_GT(once.size(), 60U);
    EXPECT_LT(once.size(), 140U);
    for (std::size_t i = 1; i < once.size(); ++i) {
        EXPECT_GE(once[i] - once[i - 1], 60) << "half the mean after the end";
        EXPECT_LE(once[i] - once[i - 1], 160);
    }
}

TEST(FaultSchedule, AnotherFaultChangesNoneOfAFaultsTimes) {
    FaultPlan plan = kill_of({"a"});
    plan.every = milliseconds(100);
    plan.lasts = milliseconds(10);
    plan.times = 0;
    FaultPlan idle = kill_of({"b"});
    idle.at = milliseconds(1'000'000);
    EXPECT_EQ(beginnings({plan}, 7, 5000), beginnings({plan, idle}, 7, 5000));
}

TEST(FaultSchedule, OneOfSeveralIsPickedAndInTimeEachOfThem) {
    FaultPlan plan = kill_of({"a", "b", "c"});
    plan.every = milliseconds(10);
    plan.lasts = milliseconds(1);
    plan.times = 0;
    plan.pick_one = true;
    const std::vector plans{plan};
    FaultSchedule schedule(plans, 3);
    std::set<std::string> hit;
    for (int ms = 0; ms < 2000; ++ms)
        for (const auto& change : schedule.due(milliseconds(ms), nothing_seen)) {
            ASSERT_EQ(change.hosts.size(), 1U);
            hit.insert(change.hosts[0]);
        }
    EXPECT_EQ(hit, (std::set<std::string>{"a", "b", "c"}));
}

TEST(FaultSchedule, AfterSoManyEventsItStrikesAndAfterSoManyMoreAgain) {
    FaultPlan plan = kill_of({"server"});
    plan.after = "nlm:lock_granted";
    plan.occurrences = 10;
    plan.times = 2;
    plan.lasts = milliseconds(5);
    const std::vector plans{plan};
    FaultSchedule schedule(plans, 1);
    std::uint64_t seen = 9;
    const FaultSchedule::Occurrences count = [&seen](const std::string& tracepoint) {
        EXPECT_EQ(tracepoint, "nlm:lock_granted");
        return seen;
    };
    EXPECT_TRUE(schedule.waits_for_events());
    EXPECT_TRUE(schedule.due(milliseconds(1), count).empty());
    seen = 14;
    EXPECT_EQ(schedule.due(milliseconds(2), count).size(), 1U);
    seen = 23;
    EXPECT_EQ(schedule.due(milliseconds(10), count).size(), 1U) << "only the end of the first";
    EXPECT_TRUE(schedule.due(milliseconds(11), count).empty());
    seen = 24;
    EXPECT_EQ(schedule.due(milliseconds(12), count).size(), 1U);
    seen = 1000;
    EXPECT_EQ(schedule.due(milliseconds(20), count).size(), 1U);
    EXPECT_TRUE(schedule.due(milliseconds(21), count).empty()) << "twice and no more";
}

TEST(FaultSchedule, FinishingEndsWhatIsInForceAndBeginsNothing) {
    FaultPlan forever = kill_of({"a"});
    forever.at = milliseconds(1);
    FaultPlan later = kill_of({"b"});
    later.at = milliseconds(50);
    const std::vector plans{forever, later};
    FaultSchedule schedule(plans, 1);
    ASSERT_EQ(schedule.due(milliseconds(1), nothing_seen).size(), 1U);
    const auto ended = schedule.finish();
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_FALSE(ended[0].begins);
    EXPECT_EQ(ended[0].hosts, std::vector<std::string>{"a"});
    EXPECT_TRUE(schedule.due(milliseconds(100), nothing_seen).empty());
    EXPECT_TRUE(schedule.finish().empty());
}

}  // namespace
}  // namespace lockstep::harness
