// The time in which a workload works: the machine's, or a test's.
#pragma once

#include <chrono>
#include <thread>

namespace lockstep::workloads {

// Any thread.
class WorkClock {
 public:
    using TimePoint = std::chrono::steady_clock::time_point;

    virtual ~WorkClock() = default;
    virtual TimePoint now() const = 0;
    virtual void sleep(std::chrono::milliseconds time) = 0;
};

class MachineClock final : public WorkClock {
 public:
    TimePoint now() const override { return std::chrono::steady_clock::now(); }
    void sleep(std::chrono::milliseconds time) override { std::this_thread::sleep_for(time); }
};

}  // namespace lockstep::workloads
