#include "nfs_server/nlm/range_locks.hpp"

#include <algorithm>

namespace lockstep::server::nlm {

void RangeLocks::add(const HeldLock& lock) {
    by_owner_.emplace(Key{lock.owner, lock.range.first}, Rest{lock.range.last, lock.mode});
    by_range_.insert(lock);
}

HeldLock RangeLocks::remove(Iterator at) {
    const auto [owner, first] = at->first;
    const HeldLock removed{owner, {first, at->second.last}, at->second.mode};
    by_owner_.erase(at);
    by_range_.erase(owner, first);
    return removed;
}

// The owner's first lock that ends at or behind the byte; end() or another owner's if there is none.
RangeLocks::Iterator RangeLocks::first_overlapping(uint64_t owner, uint64_t first_byte) {
    auto at = by_owner_.upper_bound({owner, first_byte});
    if (at != by_owner_.begin()) {
        const auto before = std::prev(at);
        if (before->first.first == owner && before->second.last >= first_byte) return before;
    }
    return at;
}

void RangeLocks::unlock(uint64_t owner, const ByteRange& range) {
    for (;;) {
        const auto at = first_overlapping(owner, range.first);
        if (at == by_owner_.end() || at->first.first != owner || at->first.second > range.last) return;
        const HeldLock cut = remove(at);
        if (cut.range.first < range.first) add({owner, {cut.range.first, range.first - 1}, cut.mode});
        if (cut.range.last > range.last) {
            add({owner, {range.last + 1, cut.range.last}, cut.mode});
            return;
        }
    }
}

// Takes the owner's locks of that mode that touch the range out, and gives the range of all of them together.
ByteRange RangeLocks::absorb_neighbours(uint64_t owner, ByteRange range, LockMode mode) {
    if (range.first > 0) {
        const auto before = first_overlapping(owner, range.first - 1);
        if (before != by_owner_.end() && before->first.first == owner && before->first.second < range.first &&
            before->second.mode == mode)
            range.first = remove(before).range.first;
    }
    if (range.last < ByteRange::end_of_file) {
        const auto after = by_owner_.find({owner, range.last + 1});
        if (after != by_owner_.end() && after->second.mode == mode) range.last = remove(after).range.last;
    }
    return range;
}

void RangeLocks::lock(uint64_t owner, ByteRange range, LockMode mode) {
    unlock(owner, range);
    add({owner, absorb_neighbours(owner, range, mode), mode});
}

bool RangeLocks::unlock_splits(uint64_t owner, const ByteRange& range) const {
    const auto at = by_owner_.lower_bound({owner, range.first});
    if (at == by_owner_.begin()) return false;
    const auto before = std::prev(at);
    return before->first.first == owner && before->second.last > range.last;
}

bool RangeLocks::holds_any(uint64_t owner) const {
    const auto at = by_owner_.lower_bound({owner, 0});
    return at != by_owner_.end() && at->first.first == owner;
}

std::vector<HeldLock> RangeLocks::held_within(uint64_t owner, const ByteRange& range) const {
    std::vector<HeldLock> held;
    auto at = by_owner_.upper_bound({owner, range.first});
    if (at != by_owner_.begin()) --at;
    for (; at != by_owner_.end() && at->first <= Key{owner, range.last}; ++at) {
        const ByteRange own{at->first.second, at->second.last};
        if (at->first.first != owner || !own.overlaps(range)) continue;
        held.push_back({owner, {std::max(own.first, range.first), std::min(own.last, range.last)}, at->second.mode});
    }
    return held;
}

bool RangeLocks::stands_in_the_way(uint64_t owner, const ByteRange& range, LockMode mode) const {
    const auto held = held_within(owner, range);
    return std::ranges::any_of(held, [mode](const HeldLock& lock) { return !compatible(lock.mode, mode); });
}

std::vector<HeldLock> RangeLocks::all() const {
    std::vector<HeldLock> all;
    for (const auto& [key, rest] : by_owner_) all.push_back({key.first, {key.second, rest.last}, rest.mode});
    return all;
}

}  // namespace lockstep::server::nlm
