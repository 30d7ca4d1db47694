// The byte-range locks of all files. Nlm layer.
//
// A file's locks live in one of 64 shards, each with a mutex: what happens to one file is in one order, and files of
// other shards go on meanwhile. Every change fires its nlm tracepoint under that mutex, so the events of a file are in
// that order. Nothing waits here: no disk, no network, no other lock.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "nfs_server/fs/file_handle.hpp"
#include "nfs_server/nlm/byte_range.hpp"
#include "nfs_server/nlm/lock_owner.hpp"
#include "nfs_server/nlm/range_locks.hpp"

namespace lockstep::server::nlm {

// How many locks there may be.
struct LockLimits {
    size_t max_locks = size_t{4} << 20;
    size_t max_locks_per_client = size_t{1} << 20;
};

// What an owner asks of a file.
struct LockRequest {
    uint64_t request_id;
    fs::FileIdentity file;
    std::shared_ptr<const LockOwner> owner;
    ByteRange range;
    LockMode mode = LockMode::exclusive;  // not for unlock
};

enum class LockStatus {
    granted,
    denied,    // another owner's lock is in the way
    no_locks,  // a limit of LockLimits
};

// A lock that is in the way, as its owner would name it.
struct LockHolder {
    std::shared_ptr<const LockOwner> owner;
    ByteRange range;
    LockMode mode;
};

// Any thread.
class LockTable {
 public:
    explicit LockTable(const LockLimits& limits = {}) : limits_(limits) {}

    // The lock that would be in the way, nothing if it would be granted. Changes nothing, fires nothing.
    std::optional<LockHolder> test(const LockRequest& request);

    // Takes the range, if no other owner's lock is in the way; what the owner held of it before is replaced. Asking
    // again for what one holds is granted and changes nothing, so a retransmission is harmless. Fires
    // nlm:lock_requested, then lock_granted or lock_denied.
    LockStatus lock(const LockRequest& request);

    // Gives the range up; what was not held stays so. Fires nlm:lock_released, also when nothing was held.
    // no_locks: the range lies inside a lock and one more can't be kept; nothing has changed.
    LockStatus unlock(const LockRequest& request);

    // Gives up all that the client's owners hold, in all files. Fires nlm:lock_released for each owner and file.
    // Returns how many locks went.
    size_t release_client(uint64_t request_id, const LockClient& client);

    // Locks that are held, in all.
    size_t count() const { return locks_count_.load(); }
    size_t files_count();

 private:
    struct FileLocks {
        RangeLocks ranges;
        std::unordered_map<uint64_t, std::shared_ptr<const LockOwner>> owners;  // of those that hold something
    };
    struct HashFile {
        size_t operator()(const fs::FileIdentity& file) const {
            return static_cast<size_t>((file.inode * 0x9e3779b97f4a7c15) ^ file.generation);
        }
    };
    struct Shard {
        std::mutex mutex;
        std::unordered_map<fs::FileIdentity, FileLocks, HashFile> files;
    };

    Shard& shard_of(const fs::FileIdentity& file) { return shards_[HashFile{}(file) >> 7 & (shards_.size() - 1)]; }
    bool has_room_for(size_t more_locks, const LockClient& client) const;
    LockStatus judge(const FileLocks& locks, const LockRequest& request);
    void release(FileLocks& locks, const LockRequest& request);
    void account(LockClient& client, size_t before, size_t after);

    const LockLimits limits_;
    std::array<Shard, 64> shards_;
    std::atomic<size_t> locks_count_{0};
};

}  // namespace lockstep::server::nlm
