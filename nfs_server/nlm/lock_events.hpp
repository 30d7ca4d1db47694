// The tracepoints of the lock table, one function each. Fired under the mutex of the file's shard. Nlm layer.
#pragma once

#include "nfs_server/nlm/lock_request.hpp"

namespace lockstep::server::nlm {

void fire_requested(const LockRequest& request);
void fire_granted(const LockRequest& request, bool waited);
// What was held before a grant that the client did not take is held again.
void fire_restored(const LockRequest& request);
void fire_refused_by_grace(const LockRequest& request);
void fire_denied(const LockRequest& request, LockStatus status);
void fire_blocked(const LockRequest& request, uint64_t blocker);
void fire_wait_changed(const LockRequest& request, uint64_t blocker);
void fire_overtaken(const LockRequest& waiting, uint64_t by_owner);
void fire_cancelled(const LockRequest& request, ReleaseCause cause);
void fire_wait_removed(const LockRequest& request);
void fire_released(const LockRequest& request, ReleaseCause cause);

}  // namespace lockstep::server::nlm
