// The locks of one file, searchable by what they overlap. Nlm layer.
//
// A treap (a search tree that random priorities keep shallow) ordered by first byte, whose nodes know of their subtree:
// the greatest last byte, whether anything in it is exclusive, and whether all of it belongs to one owner. A search for
// a conflict skips what can't hold one: with 100,000 locks it looks at some dozens.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_set>

#include "nfs_server/nlm/byte_range.hpp"

namespace lockstep::server::nlm {

// One lock. An owner's locks of a file never overlap each other; those of different owners may.
struct HeldLock {
    uint64_t owner = 0;
    ByteRange range;
    LockMode mode = LockMode::shared;

    friend bool operator==(const HeldLock&, const HeldLock&) = default;
};

// One thread at a time.
class IntervalTree {
 public:
    IntervalTree();
    ~IntervalTree();
    IntervalTree(IntervalTree&&) noexcept;
    IntervalTree& operator=(IntervalTree&&) noexcept;

    // No lock of that owner and first byte may be there.
    void insert(const HeldLock& lock);
    // A lock of that owner and first byte must be there.
    void erase(uint64_t owner, uint64_t first_byte);

    // The lock with the smallest first byte that `owner` can't hold `range` in `mode` beside; nothing if there is none.
    std::optional<HeldLock> find_conflict(uint64_t owner, const ByteRange& range, LockMode mode) const;

    // Adds the owners of all such locks. Logarithmic for each of them.
    void collect_conflicting_owners(uint64_t owner, const ByteRange& range, LockMode mode,
                                    std::unordered_set<uint64_t>& owners) const {
        collect(root_.get(), owner, range, mode, owners);
    }

 private:
    struct Node;
    using Link = std::unique_ptr<Node>;
    static void split(Link tree, const HeldLock& at, Link& before, Link& from);
    static Link join(Link before, Link after);
    static void erase(Link& tree, uint64_t owner, uint64_t first_byte);
    static const Node* find(const Node* tree, uint64_t owner, const ByteRange& range, LockMode mode);
    static void collect(const Node* tree, uint64_t owner, const ByteRange& range, LockMode mode,
                        std::unordered_set<uint64_t>& owners);
    uint64_t next_priority();

    Link root_;
    uint64_t priority_state_ = 0x9e3779b97f4a7c15;
};

}  // namespace lockstep::server::nlm
