// For tests: a time that does not pass by itself.
#pragma once

#include <atomic>

#include "netns_harness/workloads/work_clock.hpp"

namespace lockstep::workloads {

// Time passes only where somebody sleeps. Any thread.
class SleepersClock final : public WorkClock {
 public:
    TimePoint now() const override { return TimePoint(elapsed()); }
    void sleep(std::chrono::milliseconds time) override { elapsed_ms_ += time.count(); }
    std::chrono::milliseconds elapsed() const { return std::chrono::milliseconds(elapsed_ms_); }

 private:
    std::atomic<std::chrono::milliseconds::rep> elapsed_ms_{0};
};

}  // namespace lockstep::workloads
