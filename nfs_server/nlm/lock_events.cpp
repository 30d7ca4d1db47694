#include "nfs_server/nlm/lock_events.hpp"

#include "nfs_server/wire/nlm4.hpp"
#include "tracepoints/nlm.tp"

// The fields that most events begin with.
#define REQUEST_FIELDS(r) \
    (r).request_id, (r).file.inode, (r).owner->number, (r).owner->client->label.c_str(), (r).range.first, (r).range.last
#define MODE_FIELD(r) static_cast<uint8_t>((r).mode)

namespace lockstep::server::nlm {
namespace {

constexpr uint32_t wire_status(LockStatus status) {
    switch (status) {
        case LockStatus::denied:
            return wire::NLM4_DENIED;
        case LockStatus::deadlock:
            return wire::NLM4_DEADLCK;
        default:
            return wire::NLM4_DENIED_NOLOCKS;
    }
}

}  // namespace

void fire_requested(const LockRequest& r) {
    lttng_ust_tracepoint(nlm, lock_requested, REQUEST_FIELDS(r), MODE_FIELD(r), r.wait_for ? 1 : 0, r.reclaim ? 1 : 0);
}

void fire_granted(const LockRequest& r, bool waited) {
    lttng_ust_tracepoint(nlm, lock_granted, REQUEST_FIELDS(r), MODE_FIELD(r), r.reclaim ? 1 : 0, waited ? 1 : 0);
}

void fire_restored(const LockRequest& r) {
    lttng_ust_tracepoint(nlm, lock_granted, REQUEST_FIELDS(r), MODE_FIELD(r), 0, 2);
}

void fire_refused_by_grace(const LockRequest& r) {
    fire_requested(r);
    lttng_ust_tracepoint(nlm, lock_denied, REQUEST_FIELDS(r), MODE_FIELD(r), uint32_t{wire::NLM4_DENIED_GRACE_PERIOD});
}

void fire_denied(const LockRequest& r, LockStatus status) {
    lttng_ust_tracepoint(nlm, lock_denied, REQUEST_FIELDS(r), MODE_FIELD(r), wire_status(status));
}

void fire_blocked(const LockRequest& r, uint64_t blocker) {
    lttng_ust_tracepoint(nlm, lock_blocked, REQUEST_FIELDS(r), MODE_FIELD(r), blocker);
}

void fire_wait_changed(const LockRequest& r, uint64_t blocker) {
    lttng_ust_tracepoint(nlm, wait_changed, REQUEST_FIELDS(r), MODE_FIELD(r), blocker);
}

void fire_overtaken(const LockRequest& waiting, uint64_t by_owner) {
    lttng_ust_tracepoint(nlm, waiter_overtaken, REQUEST_FIELDS(waiting), MODE_FIELD(waiting), by_owner);
}

void fire_cancelled(const LockRequest& r, ReleaseCause cause) {
    lttng_ust_tracepoint(nlm, lock_cancelled, REQUEST_FIELDS(r), MODE_FIELD(r), static_cast<uint8_t>(cause));
}

void fire_wait_removed(const LockRequest& r) {
    lttng_ust_tracepoint(nlm, wait_removed, r.request_id, r.file.inode, r.owner->number,
                         r.owner->client->label.c_str());
}

void fire_released(const LockRequest& r, ReleaseCause cause) {
    lttng_ust_tracepoint(nlm, lock_released, REQUEST_FIELDS(r), static_cast<uint8_t>(cause));
}

}  // namespace lockstep::server::nlm
