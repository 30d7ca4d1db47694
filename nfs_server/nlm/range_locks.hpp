// POSIX byte-range locks of one file (fcntl's, IEEE Std 1003.1): no network, no threads, no events. Nlm layer.
//
// - A byte is locked by an owner in one mode at most: locking it again in another mode replaces the old (up- or
// downgrade).
// - What an owner locks or unlocks splits the locks that it overlaps in part; neighbours of one owner and mode are one
// lock.
// - Owners conflict where their locks share a byte and one of them is exclusive. An owner never conflicts with itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_set>
#include <vector>

#include "nfs_server/nlm/byte_range.hpp"
#include "nfs_server/nlm/interval_tree.hpp"

namespace lockstep::server::nlm {

// One thread at a time. Owners are numbers above 0. All operations are logarithmic in the number of locks, and linear
// in the number of the owner's own locks that they replace.
class RangeLocks {
 public:
    // The lock of another owner that stands in the way, with the smallest first byte.
    std::optional<HeldLock> find_conflict(uint64_t owner, const ByteRange& range, LockMode mode) const {
        return by_range_.find_conflict(owner, range, mode);
    }

    // The owner holds the range in that mode from now on. The caller has looked for conflicts; whether there are any is
    // not checked, so that a deliberate fault can grant beside one. Adds at most 2 locks.
    void lock(uint64_t owner, ByteRange range, LockMode mode);

    // The owner holds nothing of the range from now on. Adds at most 1 lock.
    void unlock(uint64_t owner, const ByteRange& range);

    // Whether unlock() would add a lock: the range lies inside one that the owner holds, and touches neither of its
    // ends.
    bool unlock_splits(uint64_t owner, const ByteRange& range) const;

    bool holds_any(uint64_t owner) const;
    // Whether the owner holds a lock that keeps others from holding `range` in `mode`.
    bool stands_in_the_way(uint64_t owner, const ByteRange& range, LockMode mode) const;
    // What the owner holds of the range, cut to it.
    std::vector<HeldLock> held_within(uint64_t owner, const ByteRange& range) const;
    // Adds all other owners that hold what `owner` can't hold `range` in `mode` beside. Linear in their locks.
    void collect_conflicting_owners(uint64_t owner, const ByteRange& range, LockMode mode,
                                    std::unordered_set<uint64_t>& owners) const {
        by_range_.collect_conflicting_owners(owner, range, mode, owners);
    }
    size_t count() const { return by_owner_.size(); }
    bool empty() const { return by_owner_.empty(); }
    // Every lock, by owner and first byte.
    std::vector<HeldLock> all() const;

 private:
    using Key = std::pair<uint64_t, uint64_t>;  // owner, first byte
    struct Rest {
        uint64_t last;
        LockMode mode;
    };
    using Iterator = std::map<Key, Rest>::iterator;

    void add(const HeldLock& lock);
    HeldLock remove(Iterator at);
    Iterator first_overlapping(uint64_t owner, uint64_t first_byte);
    ByteRange absorb_neighbours(uint64_t owner, ByteRange range, LockMode mode);

    std::map<Key, Rest> by_owner_;
    IntervalTree by_range_;
};

}  // namespace lockstep::server::nlm
