// The registers of a context that hold many values: set, map, and ranges (a table of POSIX byte-range locks). Small,
// unordered and bounded; their entries lie in blocks of the monitor's pool. They are used only while the context is
// locked. C++17.
//
// A register's own bytes are all zero when it is empty, and it has no destructor: the table forgets a context by
// clear().
#pragma once

#include <cstdint>

#include "codegen/integer.hpp"
#include "monitors/runtime/block_pool.hpp"

namespace lockstep::monitors {

// Entries of `width` words. The first block of the chain is the only one that may be partly filled, so adding and
// removing an entry touch its end only.
template <unsigned width>
class Entries {
    static constexpr std::uint32_t per_block = 15 / width;

 public:
    std::uint32_t size() const { return size_; }
    bool empty() const { return size_ == 0; }

    // The first entry for which `matches(const uint64_t* words)` holds; null when there is none.
    template <class Matches>
    std::uint64_t* find(const BlockPool& pool, Matches matches) const {
        std::uint32_t filled = in_first_block();
        for (std::uint32_t block = first_; block != 0; block = pool[block].next.load(std::memory_order_relaxed)) {
            for (std::uint32_t i = 0; i < filled; ++i)
                if (matches(&pool[block].words[i * width])) return &pool[block].words[i * width];
            filled = per_block;
        }
        return nullptr;
    }

    // A new entry, its words undefined; null when the pool has no block.
    std::uint64_t* push(BlockPool& pool) {
        if (size_ == 0 || in_first_block() == per_block) {
            const std::uint32_t block = pool.take();
            if (block == 0) return nullptr;
            pool[block].next.store(first_, std::memory_order_relaxed);
            first_ = block;
        }
        ++size_;
        return last(pool);
    }

    // The entry that was last takes the removed one's place.
    void remove(BlockPool& pool, std::uint64_t* entry) {
        const std::uint64_t* moved = last(pool);
        for (unsigned i = 0; i < width; ++i) entry[i] = moved[i];
        if (in_first_block() == 1) drop_first_block(pool);
        --size_;
    }

    // Removes all for which `matches` holds. A removal moves the last entry, hence the search from the start.
    template <class Matches>
    void remove_all(BlockPool& pool, Matches matches) {
        while (std::uint64_t* entry = find(pool, matches)) remove(pool, entry);
    }

    void clear(BlockPool& pool) {
        while (first_ != 0) drop_first_block(pool);
        size_ = 0;
    }

 private:
    // Of a register that has entries.
    std::uint32_t in_first_block() const { return size_ <= per_block ? size_ : (size_ - 1) % per_block + 1; }
    std::uint64_t* last(const BlockPool& pool) const { return &pool[first_].words[(in_first_block() - 1) * width]; }

    void drop_first_block(BlockPool& pool) {
        const std::uint32_t dropped = first_;
        first_ = pool[dropped].next.load(std::memory_order_relaxed);
        pool.give(dropped);
    }

    std::uint32_t first_ = 0;
    std::uint32_t size_ = 0;
};

// Values are 64-bit words: unsigned and signed integers as they are, strings as their hash.
template <std::uint32_t capacity>
class Set : public Entries<1> {
 public:
    bool fits() const { return size() <= capacity; }

    bool contains(const BlockPool& pool, std::uint64_t value) const {
        return find(pool, [value](const std::uint64_t* entry) { return entry[0] == value; }) != nullptr;
    }

    [[nodiscard]] bool insert(BlockPool& pool, std::uint64_t value) {
        if (contains(pool, value)) return true;
        std::uint64_t* entry = push(pool);
        if (entry == nullptr) return false;
        entry[0] = value;
        return true;
    }

    void erase(BlockPool& pool, std::uint64_t value) {
        remove_all(pool, [value](const std::uint64_t* entry) { return entry[0] == value; });
    }
};

template <std::uint32_t capacity>
class Map : public Entries<2> {
 public:
    bool fits() const { return size() <= capacity; }

    bool contains(const BlockPool& pool, std::uint64_t key) const { return entry_of(pool, key) != nullptr; }

    // A key that is not there reads as 0.
    std::uint64_t at(const BlockPool& pool, std::uint64_t key) const {
        const std::uint64_t* entry = entry_of(pool, key);
        return entry == nullptr ? 0 : entry[1];
    }

    [[nodiscard]] bool assign(BlockPool& pool, std::uint64_t key, std::uint64_t value) {
        std::uint64_t* entry = entry_of(pool, key);
        if (entry == nullptr) entry = push(pool);
        if (entry == nullptr) return false;
        entry[0] = key;
        entry[1] = value;
        return true;
    }

    void erase(BlockPool& pool, std::uint64_t key) {
        if (std::uint64_t* entry = entry_of(pool, key)) remove(pool, entry);
    }

    // Every value is a lock mode that `mode` is compatible with.
    bool compatible(const BlockPool& pool, codegen::Integer mode) const {
        return find(pool, [mode](const std::uint64_t* entry) { return !codegen::modes_compatible(entry[1], mode); }) ==
               nullptr;
    }

    // The same, but for the value of `key`.
    bool compatible_but(const BlockPool& pool, codegen::Integer mode, std::uint64_t key) const {
        const auto clashes = [mode, key](const std::uint64_t* entry) {
            return entry[0] != key && !codegen::modes_compatible(entry[1], mode);
        };
        return find(pool, clashes) == nullptr;
    }

 private:
    std::uint64_t* entry_of(const BlockPool& pool, std::uint64_t key) const {
        return find(pool, [key](const std::uint64_t* entry) { return entry[0] == key; });
    }
};

// Byte ranges first…last, both inside, that owners hold in DLM modes. An owner's ranges do not overlap, and two of one
// mode do not touch. Source: fcntl(2) locks as POSIX.1-2017 describes them (replace, split, merge).
template <std::uint32_t capacity>
class Ranges : public Entries<4> {
 public:
    struct Range {
        std::uint64_t owner, first, last, mode;
    };

    bool fits() const { return size() <= capacity; }

    bool contains(const BlockPool& pool, std::uint64_t owner) const {
        return find(pool, [owner](const std::uint64_t* entry) { return entry[0] == owner; }) != nullptr;
    }

    bool conflicts(const BlockPool& pool, std::uint64_t owner, std::uint64_t first, std::uint64_t last,
                   codegen::Integer mode) const {
        if (first > last) return false;
        const auto clashes = [=](const std::uint64_t* entry) {
            return entry[0] != owner && overlaps(entry, first, last) && !codegen::modes_compatible(entry[3], mode);
        };
        return find(pool, clashes) != nullptr;
    }

    // unlock(owner, first, last) would leave nothing of anybody.
    bool leaves_empty(const BlockPool& pool, std::uint64_t owner, std::uint64_t first, std::uint64_t last) const {
        const auto stays = [=](const std::uint64_t* entry) {
            return entry[0] != owner || entry[1] < first || entry[2] > last;
        };
        return find(pool, stays) == nullptr;
    }

    // The owner holds first…last in `mode`: that replaces, splits and merges its own ranges; others' are untouched.
    [[nodiscard]] bool lock(BlockPool& pool, std::uint64_t owner, std::uint64_t first, std::uint64_t last,
                            std::uint64_t mode) {
        if (first > last) return true;
        const auto joins = [&](const std::uint64_t* entry) {
            return entry[0] == owner && entry[3] == mode && touches(entry, first, last);
        };
        while (std::uint64_t* entry = find(pool, joins)) {
            if (entry[1] < first) first = entry[1];
            if (entry[2] > last) last = entry[2];
            remove(pool, entry);
        }
        return cut(pool, owner, first, last) && add(pool, {owner, first, last, mode});
    }

    // The owner holds nothing in first…last.
    [[nodiscard]] bool unlock(BlockPool& pool, std::uint64_t owner, std::uint64_t first, std::uint64_t last) {
        return first > last || cut(pool, owner, first, last);
    }

    void erase(BlockPool& pool, std::uint64_t owner) {
        remove_all(pool, [owner](const std::uint64_t* entry) { return entry[0] == owner; });
    }

 private:
    static bool overlaps(const std::uint64_t* entry, std::uint64_t first, std::uint64_t last) {
        return entry[1] <= last && first <= entry[2];
    }
    static bool touches(const std::uint64_t* entry, std::uint64_t first, std::uint64_t last) {
        return overlaps(entry, first, last) || (entry[2] != UINT64_MAX && entry[2] + 1 == first) ||
               (last != UINT64_MAX && last + 1 == entry[1]);
    }

    bool add(BlockPool& pool, const Range& range) {
        std::uint64_t* entry = push(pool);
        if (entry == nullptr) return false;
        entry[0] = range.owner, entry[1] = range.first, entry[2] = range.last, entry[3] = range.mode;
        return true;
    }

    // Takes first…last out of the owner's ranges. Only a range that reaches beyond both ends becomes two, and then it
    // was the only one concerned, so the number of entries never passes what it is at the end.
    bool cut(BlockPool& pool, std::uint64_t owner, std::uint64_t first, std::uint64_t last) {
        const auto concerned = [=](const std::uint64_t* entry) {
            return entry[0] == owner && overlaps(entry, first, last);
        };
        while (std::uint64_t* entry = find(pool, concerned)) {
            const Range whole{entry[0], entry[1], entry[2], entry[3]};
            const bool left = whole.first<first, right = whole.last> last;
            if (left) entry[2] = first - 1;
            if (left && right) return add(pool, {owner, last + 1, whole.last, whole.mode});
            if (!left && right) entry[1] = last + 1;
            if (!left && !right) remove(pool, entry);
        }
        return true;
    }
};

// Time since reset; a clock that was never reset passes every comparison (the kernel's rule).
class Clock {
 public:
    bool running() const { return running_; }
    std::uint64_t elapsed_ns(std::uint64_t now_ns) const { return now_ns > reset_ns_ ? now_ns - reset_ns_ : 0; }
    void reset(std::uint64_t now_ns) {
        reset_ns_ = now_ns;
        running_ = true;
    }

 private:
    std::uint64_t reset_ns_ = 0;
    bool running_ = false;
};

}  // namespace lockstep::monitors
