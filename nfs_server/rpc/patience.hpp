// How a thread waits for its clients' next requests: asks their sockets again and again, or sleeps. Rpc layer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "nfs_server/base/clock.hpp"

namespace lockstep::server::rpc {

// Asking finds a request without the wake-up that a sleeping thread needs, which takes longer than a small request on a
// virtual machine. It is worth its processor time only while requests come soon and nobody else wants the processor:
// each time that it was in vain, or that the processor went to others for long, twice as many waits go without it.
// One thread.
class Patience {
 public:
    // polls: how often the sockets are asked in one wait; 0: never.
    explicit Patience(uint32_t polls, const Clock& clock) : polls_(polls), clock_(clock) {}

    // How often they are to be asked in the wait that begins now.
    uint32_t polls() {
        if (skipped_waits_ == 0) return polls_;
        --skipped_waits_;
        return 0;
    }
    // A request came while they were asked.
    void was_answered() { penalty_ /= 2; }
    // None did.
    void was_in_vain() { punish(1); }

    // Around leaving the processor to others for a moment, these clients among them. False: they took it for long.
    void begin_yield() { yield_began_ns_ = clock_.monotonic_ns(); }
    bool end_yield(size_t clients = 1) {
        yield_ended_ns_ = clock_.monotonic_ns();
        if (yield_ended_ns_ - yield_began_ns_ < long_yield_ns * static_cast<int64_t>(clients)) return true;
        punish(penalty_of_busy_machine);
        return false;
    }
    // When the last one ended.
    int64_t yield_ended_ns() const { return yield_ended_ns_; }

 private:
    // More than a client's turn on the same processor takes.
    static constexpr int64_t long_yield_ns = 50'000;
    static constexpr uint32_t penalty_of_busy_machine = 64;
    static constexpr uint32_t largest_penalty = 4096;

    void punish(uint32_t at_least) {
        penalty_ = std::clamp(penalty_ * 2, at_least, largest_penalty);
        skipped_waits_ = penalty_;
    }

    const uint32_t polls_;
    const Clock& clock_;
    uint32_t skipped_waits_ = 0;
    uint32_t penalty_ = 0;
    int64_t yield_began_ns_ = 0;
    int64_t yield_ended_ns_ = 0;
};

}  // namespace lockstep::server::rpc
