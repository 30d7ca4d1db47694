// The byte-range locks of all files, and the requests that wait. Nlm layer.
//
// A file's locks live in one of 64 shards, each with a mutex: what happens to one file is in one order, and files of
// other shards go on meanwhile. Every change fires its nlm tracepoint under that mutex, so the events of a file are in
// that order. No thread waits here: no disk, no network; a request that waits is an entry in its file's queue.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "nfs_server/nlm/file_locks.hpp"
#include "nfs_server/nlm/lock_request.hpp"
#include "nfs_server/nlm/wait_index.hpp"

namespace lockstep::server::nlm {

// A lock or a wait, for a list.
struct LockEntry {
    fs::FileIdentity file;
    std::shared_ptr<const LockOwner> owner;
    ByteRange range;
    LockMode mode;
    uint64_t waits_for = 0;  // the number of an owner; 0: it is held
};

// Any thread.
class LockTable {
 public:
    // Told of each grant to a request that waited, so that its client can be told; then confirm() or withdraw() is
    // called, from any thread but not from within. Called with a shard's mutex held: it must neither wait nor call the
    // table.
    using OnGrant = std::function<void(const LockRequest&)>;

    explicit LockTable(const LockLimits& limits = {}) : limits_(limits) {}

    // Told of each grant whose client need not be told any more: it asked for the range again, or gave it up. Called as
    // OnGrant is.
    using OnNeedless = std::function<void(uint64_t request_id)>;

    // Before the first request. Without them nobody can wait: such requests are answered no_locks.
    void on_grant(
        OnGrant told, OnNeedless needless = [](uint64_t) {}) {
        on_grant_ = std::move(told);
        on_needless_ = std::move(needless);
    }

    // The lock that would be in the way, nothing if it would be granted. Changes nothing, fires nothing.
    std::optional<LockHolder> test(const LockRequest& request);

    // Takes the range, if no other owner's lock is in the way and no earlier request that waits (file_locks.hpp has the
    // order); what the owner held of it before is replaced. Asking again for what one holds is granted and changes
    // nothing, asking again for what one waits for is answered `blocked`: a retransmission is harmless. Fires
    // nlm:lock_requested, then lock_granted, lock_denied or lock_blocked.
    LockStatus lock(const LockRequest& request);

    // Withdraws the request of that owner, range and mode, if it waits or its client was not yet told of its grant.
    // Afterwards it is not granted. False: there is none.
    bool cancel(const LockRequest& request);

    // Gives the range up; what was not held stays so. Fires nlm:lock_released, also when nothing was held.
    // no_locks: the range lies inside a lock and one more can't be kept; nothing has changed.
    LockStatus unlock(const LockRequest& request);

    // The client of a granted waiter knows. False: there is no such grant any more.
    bool confirm(const LockRequest& granted);
    // The client of a granted waiter does not take it: the next one is granted. False as above.
    bool withdraw(const LockRequest& granted);

    // Ends all that the client's owners wait for and hold, in all files. Fires nlm:client_dying, lock_cancelled and
    // lock_released for each owner and file, then client_released. Returns how many locks went.
    size_t release_client(uint64_t request_id, const LockClient& client, ReleaseCause cause);

    // Locks that are held, and requests that wait, in all.
    size_t count() const { return locks_count_.load(); }
    size_t waits_count() const { return waits_.count(); }
    size_t files_count();
    // All of them, file by file; of each file, as it is at one moment.
    std::vector<LockEntry> list();

 private:
    struct HashFile {
        size_t operator()(const fs::FileIdentity& file) const {
            return static_cast<size_t>((file.inode * 0x9e3779b97f4a7c15) ^ file.generation);
        }
    };
    struct Shard {
        std::mutex mutex;
        std::unordered_map<fs::FileIdentity, FileLocks, HashFile> files;
    };
    class Change;

    Shard& shard_of(const fs::FileIdentity& file) { return shards_[HashFile{}(file) >> 7 & (shards_.size() - 1)]; }
    bool has_room_for(size_t more_locks, const LockClient& client) const;
    bool may_wait(const FileLocks& locks, const LockRequest& request) const;
    LockStatus judge(FileLocks& locks, const LockRequest& request);
    LockStatus settle(const LockRequest& request);
    LockStatus settle(const LockRequest& request, bool is_deadlock);
    bool skip_queue(const std::vector<Wait>& circle);
    std::vector<Wait> find_circle(const LockRequest& request, bool in_queue);
    std::unordered_set<uint64_t> blockers_of(const Wait& wait, bool in_queue);
    void release_client_in(FileLocks& locks, const LockRequest& template_request, const LockClient& client,
                           ReleaseCause cause);

    const LockLimits limits_;
    OnGrant on_grant_;
    OnNeedless on_needless_;
    std::array<Shard, 64> shards_;
    std::atomic<size_t> locks_count_{0};
    WaitIndex waits_;
    std::mutex deadlock_mutex_;  // one search at a time; taken before any shard's
};

}  // namespace lockstep::server::nlm
