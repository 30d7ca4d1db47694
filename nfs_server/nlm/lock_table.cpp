#include "nfs_server/nlm/lock_table.hpp"

#include "nfs_server/base/faults.hpp"
#include "nfs_server/wire/nlm4.hpp"
#include "tracepoints/nlm.tp"

namespace lockstep::server::nlm {
namespace {

Fault double_grant{"double_grant", "NLM grants a lock although another owner holds a conflicting one"};

constexpr uint32_t wire_status(LockStatus status) {
    return status == LockStatus::denied ? wire::NLM4_DENIED : wire::NLM4_DENIED_NOLOCKS;
}

void fire_requested(const LockRequest& r) {
    lttng_ust_tracepoint(nlm, lock_requested, r.request_id, r.file.inode, r.owner->number,
                         r.owner->client->name.c_str(), r.range.first, r.range.last, static_cast<uint8_t>(r.mode));
}

void fire_granted(const LockRequest& r) {
    lttng_ust_tracepoint(nlm, lock_granted, r.request_id, r.file.inode, r.owner->number, r.owner->client->name.c_str(),
                         r.range.first, r.range.last, static_cast<uint8_t>(r.mode));
}

void fire_denied(const LockRequest& r, LockStatus status) {
    lttng_ust_tracepoint(nlm, lock_denied, r.request_id, r.file.inode, r.owner->number, r.owner->client->name.c_str(),
                         r.range.first, r.range.last, static_cast<uint8_t>(r.mode), wire_status(status));
}

void fire_released(const LockRequest& r) {
    lttng_ust_tracepoint(nlm, lock_released, r.request_id, r.file.inode, r.owner->number, r.owner->client->name.c_str(),
                         r.range.first, r.range.last);
}

}  // namespace

std::optional<LockHolder> LockTable::test(const LockRequest& request) {
    Shard& shard = shard_of(request.file);
    const std::lock_guard hold(shard.mutex);
    const auto found = shard.files.find(request.file);
    if (found == shard.files.end()) return std::nullopt;
    const FileLocks& locks = found->second;
    const auto conflict = locks.ranges.find_conflict(request.owner->number, request.range, request.mode);
    if (!conflict) return std::nullopt;
    return LockHolder{locks.owners.at(conflict->owner), conflict->range, conflict->mode};
}

bool LockTable::has_room_for(size_t more_locks, const LockClient& client) const {
    return locks_count_ + more_locks <= limits_.max_locks &&
           client.locks_count + more_locks <= limits_.max_locks_per_client;
}

LockStatus LockTable::judge(const FileLocks& locks, const LockRequest& request) {
    // A new lock adds itself, and one more if it lies inside a lock of the other mode.
    if (!has_room_for(2, *request.owner->client)) return LockStatus::no_locks;
    const auto conflict = locks.ranges.find_conflict(request.owner->number, request.range, request.mode);
    return conflict && !double_grant.strikes() ? LockStatus::denied : LockStatus::granted;
}

void LockTable::account(LockClient& client, size_t before, size_t after) {
    // Wraps around for a decrease, as unsigned numbers do.
    locks_count_ += after - before;
    client.locks_count += after - before;
}

LockStatus LockTable::lock(const LockRequest& request) {
    Shard& shard = shard_of(request.file);
    const std::lock_guard hold(shard.mutex);
    const auto place = shard.files.try_emplace(request.file).first;
    FileLocks& locks = place->second;
    fire_requested(request);
    const LockStatus status = judge(locks, request);
    if (status == LockStatus::granted) {
        const size_t before = locks.ranges.count();
        locks.ranges.lock(request.owner->number, request.range, request.mode);
        locks.owners.try_emplace(request.owner->number, request.owner);
        account(*request.owner->client, before, locks.ranges.count());
        fire_granted(request);
    } else {
        fire_denied(request, status);
        if (locks.ranges.empty()) shard.files.erase(place);
    }
    return status;
}

void LockTable::release(FileLocks& locks, const LockRequest& request) {
    const size_t before = locks.ranges.count();
    locks.ranges.unlock(request.owner->number, request.range);
    account(*request.owner->client, before, locks.ranges.count());
    if (!locks.ranges.holds_any(request.owner->number)) locks.owners.erase(request.owner->number);
}

LockStatus LockTable::unlock(const LockRequest& request) {
    Shard& shard = shard_of(request.file);
    const std::lock_guard hold(shard.mutex);
    const auto found = shard.files.find(request.file);
    if (found != shard.files.end()) {
        const bool splits = found->second.ranges.unlock_splits(request.owner->number, request.range);
        if (splits && !has_room_for(1, *request.owner->client)) return LockStatus::no_locks;
        release(found->second, request);
        if (found->second.ranges.empty()) shard.files.erase(found);
    }
    fire_released(request);
    return LockStatus::granted;
}

size_t LockTable::release_client(uint64_t request_id, const LockClient& client) {
    size_t released = 0;
    for (Shard& shard : shards_) {
        const std::lock_guard hold(shard.mutex);
        for (auto file = shard.files.begin(); file != shard.files.end();) {
            FileLocks& locks = file->second;
            const size_t before = locks.ranges.count();
            const auto owners = locks.owners;
            for (const auto& [number, owner] : owners) {
                if (owner->client.get() != &client) continue;
                const LockRequest everything{request_id, file->first, owner, {}, LockMode::exclusive};
                release(locks, everything);
                fire_released(everything);
            }
            released += before - locks.ranges.count();
            file = locks.ranges.empty() ? shard.files.erase(file) : std::next(file);
        }
    }
    return released;
}

size_t LockTable::files_count() {
    size_t count = 0;
    for (Shard& shard : shards_) {
        const std::lock_guard hold(shard.mutex);
        count += shard.files.size();
    }
    return count;
}

}  // namespace lockstep::server::nlm
