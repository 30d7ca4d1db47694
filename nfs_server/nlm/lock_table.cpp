#include "nfs_server/nlm/lock_table.hpp"

#include "nfs_server/base/faults.hpp"
#include "nfs_server/nlm/lock_events.hpp"
#include "tracepoints/nlm.tp"

namespace lockstep::server::nlm {
namespace {

Fault double_grant{"double_grant", "NLM grants a lock although another owner holds a conflicting one"};
Fault grant_after_cancel{"grant_after_cancel", "NLM says that a waiting request is cancelled, and leaves it queued", 1};
Fault missed_deadlock{"missed_deadlock", "NLM lets owners wait for each other for ever", 1};
Fault leaked_lock{"leaked_lock", "NLM keeps a lock of a client that restarted", 1};

}  // namespace

// A file's locks while they are changed: holds the shard's mutex. At its end, whatever may be granted to waiters now
// is, totals are counted, and a file of which nothing is left is forgotten.
class LockTable::Change {
 public:
    Change(LockTable& table, const fs::FileIdentity& file)
        : table_(table),
          shard_(table.shard_of(file)),
          hold_(shard_.mutex),
          place_(shard_.files.try_emplace(file).first),
          locks_before_(place_->second.locks_count()) {}
    ~Change() {
        FileLocks& locks = place_->second;
        std::vector<LockRequest> granted;
        locks.promote(granted);
        for (const LockRequest& request : granted) {
            table_.waits_.remove(request.owner->number, request.request_id);
            table_.on_grant_(request);
        }
        std::vector<uint64_t> needless;
        locks.take_needless(needless);
        for (const uint64_t request_id : needless) table_.on_needless_(request_id);
        // Wraps around for a decrease, as unsigned numbers do.
        table_.locks_count_ += locks.locks_count() - locks_before_;
        if (locks.is_unused()) shard_.files.erase(place_);
    }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

    FileLocks& locks() { return place_->second; }

 private:
    LockTable& table_;
    Shard& shard_;
    std::lock_guard<std::mutex> hold_;
    std::unordered_map<fs::FileIdentity, FileLocks, HashFile>::iterator place_;
    size_t locks_before_;
};

std::optional<LockHolder> LockTable::test(const LockRequest& request) {
    Shard& shard = shard_of(request.file);
    const std::lock_guard hold(shard.mutex);
    const auto found = shard.files.find(request.file);
    if (found == shard.files.end()) return std::nullopt;
    const FileLocks& locks = found->second;
    const auto conflict = locks.ranges().find_conflict(request.owner->number, request.range, request.mode);
    if (!conflict) return std::nullopt;
    return LockHolder{locks.owners().at(conflict->owner), conflict->range, conflict->mode};
}

bool LockTable::has_room_for(size_t more_locks, const LockClient& client) const {
    return locks_count_ + more_locks <= limits_.max_locks &&
           client.locks_count + more_locks <= limits_.max_locks_per_client;
}

bool LockTable::may_wait(const FileLocks& locks, const LockRequest& request) const {
    return on_grant_ && locks.waits_count() < limits_.max_waits_per_file &&
           request.owner->client->waits_count < limits_.max_waits_per_client;
}

LockStatus LockTable::judge(FileLocks& locks, const LockRequest& request) {
    // A new lock adds itself, and one more if it lies inside a lock of the other mode.
    if (!has_room_for(2, *request.owner->client)) return LockStatus::no_locks;
    if (locks.in_the_way(request, limits_.max_overtakes) == 0 || double_grant.strikes()) return LockStatus::granted;
    if (!request.wait_for) return LockStatus::denied;
    return may_wait(locks, request) ? LockStatus::blocked : LockStatus::no_locks;
}

LockStatus LockTable::lock(const LockRequest& request) {
    {
        Change change(*this, request.file);
        FileLocks& locks = change.locks();
        if (request.wait_for && locks.find_same(request)) return LockStatus::blocked;
        fire_requested(request);
        const LockStatus status = judge(locks, request);
        if (status == LockStatus::granted) {
            locks.grant(request);
        } else if (status == LockStatus::blocked) {
            locks.enqueue(request);
            waits_.add(request.owner->number, {request.request_id, request.file});
        } else {
            fire_denied(request, status);
        }
        if (status != LockStatus::blocked) return status;
    }
    return settle(request);
}

// The request has its place in the queue, where it is not granted yet. Searches for a deadlock, without the file's
// mutex since the search goes through other files. One search at a time: of requests that close a circle, the last to
// be looked at sees it whole.
LockStatus LockTable::settle(const LockRequest& request) {
    if (missed_deadlock.strikes()) return settle(request, false);
    const std::lock_guard hold(deadlock_mutex_);
    // The files of a circle are looked at one after the other. What is no circle can look like one by chance, but not
    // twice: a real one stays.
    if (!find_circle(request, false).empty() && !find_circle(request, false).empty()) return settle(request, true);
    // A circle through places in queues is ours to break: the requests in it wait for locks only.
    while (skip_queue(find_circle(request, true))) {
    }
    return settle(request, false);
}

// False: none of them stood in a queue. (A circle of locks alone that has come up meanwhile is for the one to refuse
// whose request closed it.)
bool LockTable::skip_queue(const std::vector<Wait>& circle) {
    bool has_changed = false;
    for (const Wait& wait : circle) {
        Change change(*this, wait.file);
        Waiter* waiter = change.locks().find_waiter(wait.request_id);
        if (!waiter || waiter->skips_queue) continue;
        waiter->skips_queue = true;
        has_changed = true;
    }
    return has_changed;
}

LockStatus LockTable::settle(const LockRequest& request, bool is_deadlock) {
    Change change(*this, request.file);
    FileLocks& locks = change.locks();
    Waiter* waiter = locks.find_waiter(request.request_id);
    // Its client restarted, was fenced, or cancelled it meanwhile.
    if (!waiter) return LockStatus::denied;
    waiter->blocker = locks.in_the_way(*waiter);
    waiter->is_settled = true;
    if (waiter->blocker != 0 && !is_deadlock) {
        fire_blocked(request, waiter->blocker);
        return LockStatus::blocked;
    }
    const bool is_free = waiter->blocker == 0;
    const bool skips_queue = waiter->skips_queue;
    locks.remove_waiter(request.request_id);
    waits_.remove(request.owner->number, request.request_id);
    if (is_free) {
        locks.grant(request, !skips_queue);
        return LockStatus::granted;
    }
    fire_denied(request, LockStatus::deadlock);
    return LockStatus::deadlock;
}

// The waits through which the owner of the queued request waits for itself; empty: it does not.
std::vector<Wait> LockTable::find_circle(const LockRequest& request, bool in_queue) {
    struct Reached {
        Wait by;
        uint64_t from;  // the owner of that wait
    };
    const uint64_t self = request.owner->number;
    std::unordered_map<uint64_t, Reached> reached;
    std::vector<uint64_t> unseen;
    const auto follow = [&](uint64_t from, const Wait& wait) {
        for (const uint64_t owner : blockers_of(wait, in_queue))
            if (reached.try_emplace(owner, Reached{wait, from}).second) unseen.push_back(owner);
    };
    follow(self, {request.request_id, request.file});
    while (!unseen.empty() && !reached.contains(self)) {
        const uint64_t owner = unseen.back();
        unseen.pop_back();
        for (const Wait& wait : waits_.of(owner)) follow(owner, wait);
    }
    std::vector<Wait> circle;
    if (!reached.contains(self)) return circle;
    uint64_t at = self;
    do {
        const Reached& step = reached.at(at);
        circle.push_back(step.by);
        at = step.from;
    } while (at != self);
    return circle;
}

std::unordered_set<uint64_t> LockTable::blockers_of(const Wait& wait, bool in_queue) {
    Shard& shard = shard_of(wait.file);
    const std::lock_guard hold(shard.mutex);
    const auto found = shard.files.find(wait.file);
    if (found == shard.files.end()) return {};
    const Waiter* waiter = found->second.find_waiter(wait.request_id);
    return waiter ? found->second.all_in_the_way(*waiter, in_queue) : std::unordered_set<uint64_t>{};
}

bool LockTable::cancel(const LockRequest& request) {
    Change change(*this, request.file);
    FileLocks& locks = change.locks();
    if (const Waiter* waiter = locks.find_same(request)) {
        const LockRequest cancelled = waiter->request;
        fire_cancelled(cancelled, ReleaseCause::asked);
        if (grant_after_cancel.strikes()) return true;
        locks.remove_waiter(cancelled.request_id);
        waits_.remove(cancelled.owner->number, cancelled.request_id);
        return true;
    }
    const uint64_t offered = locks.find_offer(request);
    if (offered == 0 || !locks.withdraw(offered)) return false;
    on_needless_(offered);
    return true;
}

LockStatus LockTable::unlock(const LockRequest& request) {
    Change change(*this, request.file);
    const bool splits = change.locks().ranges().unlock_splits(request.owner->number, request.range);
    if (splits && !has_room_for(1, *request.owner->client)) return LockStatus::no_locks;
    change.locks().release(request, ReleaseCause::asked);
    return LockStatus::granted;
}

bool LockTable::confirm(const LockRequest& granted) {
    Change change(*this, granted.file);
    return change.locks().confirm(granted.request_id);
}

bool LockTable::withdraw(const LockRequest& granted) {
    Change change(*this, granted.file);
    return change.locks().withdraw(granted.request_id);
}

void LockTable::release_client_in(FileLocks& locks, const LockRequest& template_request, const LockClient& client,
                                  ReleaseCause cause) {
    std::vector<LockRequest> waiting;
    for (const Waiter& waiter : locks.waiters())
        if (waiter.request.owner->client.get() == &client) waiting.push_back(waiter.request);
    for (const LockRequest& request : waiting) {
        fire_cancelled(request, cause);
        locks.remove_waiter(request.request_id);
        waits_.remove(request.owner->number, request.request_id);
    }
    for (const auto& owner : locks.owners_of(client)) {
        if (leaked_lock.strikes()) continue;
        LockRequest everything = template_request;
        everything.owner = owner;
        locks.release(everything, cause);
    }
}

size_t LockTable::release_client(uint64_t request_id, const LockClient& client, ReleaseCause cause) {
    lttng_ust_tracepoint(nlm, client_dying, client.label.c_str(), static_cast<uint8_t>(cause));
    size_t released = 0;
    for (Shard& shard : shards_) {
        std::vector<fs::FileIdentity> files;
        {
            const std::lock_guard hold(shard.mutex);
            for (const auto& [file, locks] : shard.files) files.push_back(file);
        }
        for (const fs::FileIdentity& file : files) {
            Change change(*this, file);
            const size_t before = change.locks().locks_count();
            release_client_in(change.locks(), {.request_id = request_id, .file = file, .owner = nullptr, .range = {}},
                              client, cause);
            released += before - change.locks().locks_count();
        }
    }
    lttng_ust_tracepoint(nlm, client_released, client.label.c_str(), static_cast<uint8_t>(cause), released);
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

std::vector<LockEntry> LockTable::list() {
    std::vector<LockEntry> list;
    for (Shard& shard : shards_) {
        const std::lock_guard hold(shard.mutex);
        for (const auto& [file, locks] : shard.files) {
            for (const HeldLock& held : locks.ranges().all())
                list.push_back({file, locks.owners().at(held.owner), held.range, held.mode});
            for (const Waiter& waiter : locks.waiters())
                list.push_back({file, waiter.request.owner, waiter.request.range, waiter.request.mode, waiter.blocker});
        }
    }
    return list;
}

}  // namespace lockstep::server::nlm
