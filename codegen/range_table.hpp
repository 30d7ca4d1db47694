// A table of byte-range locks, as POSIX has them: the meaning of `ranges` registers, for the interpreter.
// Simple rather than fast: a sorted list of disjoint intervals per owner.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "codegen/integer.hpp"

namespace lockstep::codegen {

// Owner: anything that compares for equality. Both ends of a range lie inside it.
template <class Owner>
class RangeTable {
 public:
    struct Range {
        Owner owner;
        std::uint64_t first;
        std::uint64_t last;
        Integer mode;
    };

    // The owner holds first…last in this mode from now on; of its own locks only what lies outside remains as it was.
    void lock(const Owner& owner, std::uint64_t first, std::uint64_t last, Integer mode) {
        if (first > last) return;
        unlock(owner, first, last);
        Range taken{owner, first, last, mode};
        std::vector<Range> kept;
        for (const Range& range : ranges_) {
            if (range.owner == owner && range.mode == mode && adjacent(range, taken)) {
                taken.first = std::min(taken.first, range.first);
                taken.last = std::max(taken.last, range.last);
            } else {
                kept.push_back(range);
            }
        }
        kept.push_back(std::move(taken));
        ranges_ = std::move(kept);
    }

    // The owner holds nothing in first…last from now on.
    void unlock(const Owner& owner, std::uint64_t first, std::uint64_t last) {
        if (first > last) return;
        std::vector<Range> kept;
        for (const Range& range : ranges_) {
            if (!(range.owner == owner) || !overlap(range, first, last)) {
                kept.push_back(range);
                continue;
            }
            if (range.first < first) kept.push_back({owner, range.first, first - 1, range.mode});
            if (range.last > last) kept.push_back({owner, last + 1, range.last, range.mode});
        }
        ranges_ = std::move(kept);
    }

    void erase(const Owner& owner) {
        std::erase_if(ranges_, [&](const Range& range) { return range.owner == owner; });
    }
    void clear() { ranges_.clear(); }

    // Another owner holds a part of first…last in an incompatible mode.
    bool conflicts(const Owner& owner, std::uint64_t first, std::uint64_t last, Integer mode) const {
        for (const Range& range : ranges_)
            if (!(range.owner == owner) && overlap(range, first, last) && !modes_compatible(range.mode, mode))
                return true;
        return false;
    }

    bool contains(const Owner& owner) const {
        for (const Range& range : ranges_)
            if (range.owner == owner) return true;
        return false;
    }

    const std::vector<Range>& ranges() const { return ranges_; }

 private:
    static bool overlap(const Range& range, std::uint64_t first, std::uint64_t last) {
        return first <= last && range.first <= last && first <= range.last;
    }
    // Disjoint, and nothing lies between them. The ends of the number space are nobody's neighbours.
    static bool adjacent(const Range& a, const Range& b) {
        return (a.last != UINT64_MAX && a.last + 1 == b.first) || (b.last != UINT64_MAX && b.last + 1 == a.first);
    }

    std::vector<Range> ranges_;
};

}  // namespace lockstep::codegen
