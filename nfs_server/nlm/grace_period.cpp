#include "nfs_server/nlm/grace_period.hpp"

#include "tracepoints/nlm.tp"

namespace lockstep::server::nlm {

void GracePeriod::begin(int64_t duration_ms, uint32_t state, uint64_t clients_count) {
    const std::lock_guard hold(mutex_);
    end_ns_ = clock_.monotonic_ns() + duration_ms * 1'000'000;
    state_ = state;
    is_active_ = true;
    lttng_ust_tracepoint(nlm, grace_began, state, clients_count);
}

GracePeriod::Entry GracePeriod::enter() {
    Entry entry;
    if (!is_active_) return entry;
    if (clock_.monotonic_ns() >= end_ns_) end();
    entry.hold_ = std::shared_lock(mutex_);
    entry.is_in_grace_ = is_active_;
    if (!entry.is_in_grace_) entry.hold_.unlock();
    return entry;
}

void GracePeriod::end() {
    const std::lock_guard hold(mutex_);
    if (!is_active_) return;
    lttng_ust_tracepoint(nlm, grace_ended, state_);
    is_active_ = false;
}

}  // namespace lockstep::server::nlm
