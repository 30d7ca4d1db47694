#include "netns_harness/workloads/traced_locks.hpp"

#include "tracepoints/lock_api.tp"

namespace lockstep::workloads {

bool lock_events_are_listened_to() {
    return lttng_ust_tracepoint_enabled(lock_api, acquired) && lttng_ust_tracepoint_enabled(lock_api, released);
}

void fire_all_released(const std::string& file_name, const std::string& owner, EventCounts& counts) {
    lttng_ust_tracepoint(lock_api, released, file_name.c_str(), owner.c_str(), 0, UINT64_MAX);
    ++counts.released;
}

bool TracedLocks::acquire(std::size_t file, Range range, Mode mode) {
    const char* name = file_names_[file].c_str();
    const auto wire_mode = static_cast<std::uint8_t>(mode);
    lttng_ust_tracepoint(lock_api, requested, name, owner_.c_str(), range.first, range.last, wire_mode);
    ++counts_.requested;
    const std::uint32_t status = files_.lock(file, range, mode);
    if (status != 0) {
        lttng_ust_tracepoint(lock_api, denied, name, owner_.c_str(), range.first, range.last, wire_mode, status);
        ++counts_.denied;
        return false;
    }
    lttng_ust_tracepoint(lock_api, acquired, name, owner_.c_str(), range.first, range.last, wire_mode);
    ++counts_.acquired;
    return true;
}

bool TracedLocks::downgrade(std::size_t file, Range range) {
    // Others may get shared locks from the moment the server has the request: the exclusive one ends for us here.
    lttng_ust_tracepoint(lock_api, released, file_names_[file].c_str(), owner_.c_str(), range.first, range.last);
    ++counts_.released;
    return acquire(file, range, Mode::shared);
}

void TracedLocks::release(std::size_t file, Range range) {
    lttng_ust_tracepoint(lock_api, released, file_names_[file].c_str(), owner_.c_str(), range.first, range.last);
    ++counts_.released;
    files_.unlock(file, range);
}

}  // namespace lockstep::workloads
