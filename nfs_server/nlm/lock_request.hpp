// What an owner asks of a file, and what becomes of it. Nlm layer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "nfs_server/fs/file_handle.hpp"
#include "nfs_server/nlm/byte_range.hpp"
#include "nfs_server/nlm/lock_owner.hpp"
#include "nfs_server/rpc/peer_address.hpp"

namespace lockstep::server::nlm {

// How many locks and waits there may be.
struct LockLimits {
    size_t max_locks = size_t{4} << 20;
    size_t max_locks_per_client = size_t{1} << 20;
    size_t max_waits_per_client = 256;
    size_t max_waits_per_file = 1024;
    // How often requests that do not wait may pass one that waits and conflicts with them.
    uint32_t max_overtakes = 16;
};

// Whom to tell when a request that waits is granted.
struct GrantTarget {
    std::string file_handle;  // as the client sent it
    rpc::PeerAddress address;
};

struct LockRequest {
    uint64_t request_id;
    fs::FileIdentity file;
    std::shared_ptr<const LockOwner> owner;
    ByteRange range;
    LockMode mode = LockMode::exclusive;               // not for unlock
    bool reclaim = false;                              // of what was held before a restart
    std::shared_ptr<const GrantTarget> wait_for = {};  // set: it may wait
};

enum class LockStatus {
    granted,
    denied,    // another owner's lock is in the way, or an earlier request that has waited long enough
    no_locks,  // a limit of LockLimits
    blocked,   // queued; the grant is told later
    deadlock,  // to wait would be to wait for oneself
};

// Why a lock or a wait ends. The tracepoints' numbers.
enum class ReleaseCause : uint8_t { asked = 0, not_taken = 1, client_restarted = 2, fenced = 3 };

// A lock that is in the way, as its owner would name it.
struct LockHolder {
    std::shared_ptr<const LockOwner> owner;
    ByteRange range;
    LockMode mode;
};

}  // namespace lockstep::server::nlm
