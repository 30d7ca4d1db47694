#include "nfs_server/base/clock.hpp"

#include <ctime>

#include "nfs_server/base/check.hpp"

namespace lockstep::server {
namespace {

int64_t read_clock_ns(clockid_t id) {
    timespec time{};
    clock_gettime(id, &time);
    return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

class SystemClock final : public Clock {
 public:
    int64_t monotonic_ns() const override { return read_clock_ns(CLOCK_MONOTONIC); }
    int64_t real_time_ns() const override { return read_clock_ns(CLOCK_REALTIME); }
};

}  // namespace

const Clock& system_clock() {
    static const SystemClock clock;
    return clock;
}

void ManualClock::advance(int64_t duration_ns) {
    check(duration_ns >= 0, "time does not go back");
    monotonic_ns_ += duration_ns;
    real_time_ns_ += duration_ns;
}

}  // namespace lockstep::server
