// The blocks that all set, map and ranges registers of a monitor are made of: 128 bytes each, reserved at the start,
// handed out and taken back without a lock. C++17.
#pragma once

#include <atomic>
#include <cstdint>

#include "monitors/runtime/reserved.hpp"

namespace lockstep::monitors {

struct Block {
    std::atomic<std::uint32_t> next;  // index of the next block of the register, or of the next free block; 0: none
    std::uint32_t unused;
    std::uint64_t words[15];
};
static_assert(sizeof(Block) == 128);

// Threads: take() and give() from any number at once; a block's words belong to whoever took it.
//
// Memory order: free blocks form a stack. Its head carries a tag that every change increments, so a compare-and-swap
// that was prepared before others took and gave the same block fails (no ABA within 2^32 changes between a load and its
// swap). give() swaps with release and take() with acquire, so the former owner's last writes happen before the next
// owner's first.
class BlockStore {
 public:
    explicit BlockStore(std::uint64_t capacity) : blocks_(capacity + 1) {}

    // The index of a block that nobody else has; 0 when there is none left.
    std::uint32_t take() {
        std::uint64_t head = head_.load(std::memory_order_acquire);
        while (index_of(head) != 0) {
            const std::uint32_t next = blocks_[index_of(head)].next.load(std::memory_order_relaxed);
            if (head_.compare_exchange_weak(head, tagged(head, next), std::memory_order_acquire)) return index_of(head);
        }
        return take_fresh();
    }

    void give(std::uint32_t index) {
        std::uint64_t head = head_.load(std::memory_order_relaxed);
        do {
            blocks_[index].next.store(index_of(head), std::memory_order_relaxed);
        } while (!head_.compare_exchange_weak(head, tagged(head, index), std::memory_order_acq_rel,
                                              std::memory_order_relaxed));
    }

    Block& operator[](std::uint32_t index) { return blocks_[index]; }
    const Block& operator[](std::uint32_t index) const { return blocks_[index]; }

 private:
    static std::uint32_t index_of(std::uint64_t head) { return static_cast<std::uint32_t>(head); }
    static std::uint64_t tagged(std::uint64_t former, std::uint32_t index) {
        return (((former >> 32) + 1) << 32) | index;
    }

    // Blocks that were never used lie above `fresh_`: the free stack need not be built, and their pages stay untouched.
    std::uint32_t take_fresh() {
        std::uint32_t used = fresh_.load(std::memory_order_relaxed);
        while (used + 1 < blocks_.size())
            if (fresh_.compare_exchange_weak(used, used + 1, std::memory_order_relaxed)) return used + 1;
        return 0;
    }

    Reserved<Block> blocks_;  // index 0 means none
    std::atomic<std::uint64_t> head_{0};
    std::atomic<std::uint32_t> fresh_{0};
};

// A few free blocks that one thread keeps for itself: a short transaction takes and gives its block without meeting
// another thread, and finds it in its processor's cache. All zero: none.
struct BlockCache {
    static constexpr std::uint32_t capacity = 4;
    std::uint32_t count;
    std::uint32_t blocks[capacity];
};

// What registers take their blocks from: the store, through the cache of the thread that steps them, where there is
// one. Blocks in caches of other threads are not to be had: at most `BlockCache::capacity` a thread.
class BlockPool {
 public:
    explicit BlockPool(BlockStore& store, BlockCache* cache = nullptr) : store_(store), cache_(cache) {}

    std::uint32_t take() {
        return cache_ != nullptr && cache_->count > 0 ? cache_->blocks[--cache_->count] : store_.take();
    }
    void give(std::uint32_t index) {
        if (cache_ != nullptr && cache_->count < BlockCache::capacity)
            cache_->blocks[cache_->count++] = index;
        else
            store_.give(index);
    }

    Block& operator[](std::uint32_t index) const { return store_[index]; }

 private:
    BlockStore& store_;
    BlockCache* cache_;
};

}  // namespace lockstep::monitors
