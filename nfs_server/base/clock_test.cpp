#include "nfs_server/base/clock.hpp"

#include <gtest/gtest.h>

namespace lockstep::server {
namespace {

TEST(ManualClock, StandsStillUntilItIsMoved) {
    ManualClock clock;
    const int64_t monotonic = clock.monotonic_ns();
    const int64_t real = clock.real_time_ns();
    EXPECT_EQ(clock.monotonic_ns(), monotonic);
    clock.advance(5);
    EXPECT_EQ(clock.monotonic_ns(), monotonic + 5);
    EXPECT_EQ(clock.real_time_ns(), real + 5);
}

TEST(ManualClock, SettingTheWallClockLeavesTheMonotonicReading) {
    ManualClock clock;
    const int64_t monotonic = clock.monotonic_ns();
    clock.set_real_time(7);
    EXPECT_EQ(clock.real_time_ns(), 7);
    EXPECT_EQ(clock.monotonic_ns(), monotonic);
}

TEST(SystemClock, NeverGoesBack) {
    int64_t last = 0;
    for (int i = 0; i < 1000; ++i) {
        const int64_t now = system_clock().monotonic_ns();
        EXPECT_GE(now, last);
        last = now;
    }
}

}  // namespace
}  // namespace lockstep::server
