#include "netns_harness/call_times.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace lockstep::harness {
namespace {

TEST(CallBucket, TimesAreKnownToASixteenth) {
    for (std::uint64_t time_us = 0; time_us < 50'000'000; time_us += 1 + time_us / 30) {
        const double told = call_bucket_us(call_bucket(time_us));
        EXPECT_NEAR(told, static_cast<double>(time_us), static_cast<double>(time_us) / 16 + 0.5) << time_us;
    }
}

TEST(CallBucket, ALongerTimeIsNeverInAnEarlierBucket) {
    for (std::uint64_t time_us = 1; time_us < 70'000; ++time_us)
        ASSERT_LE(call_bucket(time_us - 1), call_bucket(time_us));
}

TEST(CallHistogram, AQuantileIsTheTimeWithinWhichSoManyWereAnswered) {
    CallHistogram calls;
    calls.buckets = {{call_bucket(5), 98}, {call_bucket(7), 2}};
    calls.answered = 100;
    EXPECT_EQ(calls.quantile_us(0.5), 5);
    EXPECT_EQ(calls.quantile_us(0.98), 5);
    EXPECT_EQ(calls.quantile_us(0.99), 7);
    EXPECT_EQ(CallHistogram().quantile_us(0.5), 0);
}

class CallTimes : public testing::Test {
 protected:
    void TearDown() override { std::filesystem::remove(file_); }
    void write(const std::string& text) { std::ofstream(file_) << text; }

    std::filesystem::path file_ = testing::TempDir() + "/call_times." + std::to_string(getpid());
};

TEST_F(CallTimes, ClientsAreAddedUpAndALineThatAKillCutIsPassedOver) {
    CallIntervals intervals;
    write("10 1 5:2\n11 0 5:1 6:1\n12 0 5:1");
    add_calls(intervals, file_);
    add_calls(intervals, file_);
    add_calls(intervals, "/nonexistent/calls");
    EXPECT_EQ(intervals.size(), 2U);
    EXPECT_EQ(intervals[10].answered, 4U);
    EXPECT_EQ(intervals[10].unanswered, 2U);
    EXPECT_EQ(intervals[11].buckets[6], 2U);
}

TEST_F(CallTimes, ASeriesHasAllIntervalsOfTheWorkAndTheirTrueWidths) {
    CallIntervals intervals;
    write("10 0 5:30\n12 1 7:60\n");
    add_calls(intervals, file_);
    const CallSeries series = series_of(intervals, 1'070'000'000, 1'250'000'000);
    ASSERT_EQ(series.intervals.size(), 3U);
    EXPECT_EQ(series.intervals[0].width_ms, 30U);
    EXPECT_EQ(series.intervals[0].until_ms, 30U);
    EXPECT_EQ(series.intervals[1].answered, 0U);
    EXPECT_EQ(series.intervals[1].width_ms, 100U);
    EXPECT_EQ(series.intervals[2].answered, 60U);
    EXPECT_EQ(series.intervals[2].unanswered, 1U);
    EXPECT_EQ(series.intervals[2].p99_us, 7);
    EXPECT_EQ(series.intervals[2].until_ms, 180U);
    EXPECT_EQ(series.answered, 90U);
}

TEST_F(CallTimes, WithoutCallsThereIsNoSeries) {
    EXPECT_TRUE(series_of({}, 0, 1'000'000'000).intervals.empty());
}

}  // namespace
}  // namespace lockstep::harness
