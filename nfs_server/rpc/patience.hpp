// How a thread waits for its clients' next requests: asks their sockets again and again, or sleeps. Rpc layer.
#pragma once

#include <algorithm>
#include <cstdint>

#include "nfs_server/base/clock.hpp"

namespace lockstep::server::rpc {

// Asking finds a request without the wake-up that a sleeping thread needs, which takes longer than a small request on a
// virtual machine. It is worth its processor time only while requests come soon and nobody else wants the processor,
// which the others get first: so it is limited in time, and each time that it was in vain twice as many waits go
// without it. One thread.
class Patience {
 public:
    // limit_ns: how long the sockets are asked in one wait; 0: not at all.
    Patience(int64_t limit_ns, const Clock& clock) : limit_ns_(limit_ns), clock_(clock) {}

    // A wait begins. False: they are not to be asked.
    bool begins() {
        if (skipped_waits_ == 0 && limit_ns_ != 0) {
            now_ns_ = clock_.monotonic_ns();
            end_ns_ = now_ns_ + limit_ns_;
            asks_ = 0;
            return true;
        }
        skipped_waits_ -= skipped_waits_ != 0 ? 1 : 0;
        return false;
    }
    // After each time that they were asked in vain. False: that was the last time.
    bool goes_on() {
        now_ns_ = clock_.monotonic_ns();
        if (now_ns_ < end_ns_ && ++asks_ < most_asks) return true;
        penalty_ = std::clamp(penalty_ * 2, 1u, largest_penalty);
        skipped_waits_ = penalty_;
        return false;
    }
    // A request came while they were asked.
    void was_answered() { penalty_ /= 2; }
    // When this was last asked whether it begins or goes on.
    int64_t now_ns() const { return now_ns_; }

 private:
    static constexpr uint32_t largest_penalty = 4096;
    static constexpr uint32_t most_asks = 1000;  // by a clock that stands still, as in tests

    const int64_t limit_ns_;
    const Clock& clock_;
    uint32_t skipped_waits_ = 0;
    uint32_t penalty_ = 0;
    uint32_t asks_ = 0;
    int64_t end_ns_ = 0;
    int64_t now_ns_ = 0;
};

}  // namespace lockstep::server::rpc
