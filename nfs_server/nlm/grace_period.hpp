// The time after a restart of the server in which clients take back what they held, and nobody gets anything else.
// Nlm layer.
#pragma once

#include <atomic>
#include <cstdint>
#include <shared_mutex>

#include "nfs_server/base/clock.hpp"

namespace lockstep::server::nlm {

// Any thread. While it lasts, each request is judged under `Entry`, so that it lies wholly before the end or behind it.
class GracePeriod {
 public:
    explicit GracePeriod(const Clock& clock = system_clock()) : clock_(clock) {}

    // Before the first request. state: of the server's status monitor, for the events.
    void begin(int64_t duration_ms, uint32_t state, uint64_t clients_count);

    class Entry {
     public:
        bool is_in_grace() const { return is_in_grace_; }

     private:
        friend class GracePeriod;
        std::shared_lock<std::shared_mutex> hold_;
        bool is_in_grace_ = false;
    };
    // Ends the period when its time is over.
    Entry enter();

 private:
    void end();

    const Clock& clock_;
    std::atomic<bool> is_active_{false};
    std::shared_mutex mutex_;
    int64_t end_ns_ = 0;
    uint32_t state_ = 0;
};

}  // namespace lockstep::server::nlm
