// Time is an argument: whoever needs it is given a Clock. Base layer.
#pragma once

#include <atomic>
#include <cstdint>

namespace lockstep::server {

// A source of time. Any thread may call it.
class Clock {
 public:
    virtual ~Clock() = default;

    // Nanoseconds since an arbitrary moment; never goes back. For time limits and durations.
    virtual int64_t monotonic_ns() const = 0;

    // Nanoseconds since 1970-01-01 UTC; an operator may set it back. For file times.
    virtual int64_t real_time_ns() const = 0;
};

// The machine's time. Lives as long as the process.
const Clock& system_clock();

// A clock that stands still until a test moves it.
class ManualClock final : public Clock {
 public:
    int64_t monotonic_ns() const override { return monotonic_ns_; }
    int64_t real_time_ns() const override { return real_time_ns_; }

    // Time passes: both readings grow by `duration_ns`, at least 0.
    void advance(int64_t duration_ns);
    // An operator sets the wall clock; the monotonic reading stays.
    void set_real_time(int64_t real_time_ns) { real_time_ns_ = real_time_ns; }

 private:
    std::atomic<int64_t> monotonic_ns_{1'000'000'000};
    std::atomic<int64_t> real_time_ns_{1'700'000'000'000'000'000};
};

}  // namespace lockstep::server
