// Which bits of a bitmap are free, in memory: a candidate list for allocation, not the truth. The truth is the bitmap
// on the disk, changed by transactions under its words' locks. A bit is set here from its reservation until the
// transaction that frees it has committed, so no two transactions ever choose the same one, and choosing takes no lock.
// Layer: fs.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

namespace lockstep::server::fs {

/// Lock-free; every member may be called by any thread after construction and load().
class BitAllocator {
 public:
    /// Bits [first, end) may be given out; all are free at first.
    BitAllocator(std::uint64_t first, std::uint64_t end);

    /// At start-up, one thread: `used` is word `word` of the bitmap on the disk.
    void load(std::uint64_t word, std::uint64_t used);

    /// Reserves the first free bit at or after `goal`, going round once. Nothing when all are taken.
    std::optional<std::uint64_t> take(std::uint64_t goal);

    /// For what goes on at `goal`: reserves that bit, or, when others work there, one in a word ahead that nobody uses,
    /// so that two who go on side by side do so in different words. If there is none near, as take(goal).
    std::optional<std::uint64_t> take_apart(std::uint64_t goal);

    /// Reserves a free bit near the place where the calling thread allocates: the threads that work at a time do so far
    /// apart, so that their transactions lock different words.
    std::optional<std::uint64_t> take();

    /// Frees a bit: its reservation was dropped (freed_sequence 0), or the transaction that freed it has committed,
    /// with this sequence.
    void give_back(std::uint64_t bit, std::uint64_t freed_sequence = 0);

    /// The newest sequence that a bit of the same word was freed with; 0: none was. Of a bit that the caller holds.
    std::uint64_t freed_sequence(std::uint64_t bit) const;

    bool is_used(std::uint64_t bit) const;
    std::uint64_t free_count() const { return free_count_.load(std::memory_order_relaxed); }
    std::uint64_t size() const { return end_ - first_; }

 private:
    static constexpr std::uint64_t group_words = 512;
    static constexpr std::size_t cursor_count = 32;  // reversed() is of so many

    std::optional<std::uint64_t> take_in_word(std::uint64_t word, std::uint64_t allowed);
    std::uint64_t home(std::size_t slot) const;
    std::size_t worker_near(std::uint64_t bit) const;

    std::uint64_t first_;
    std::uint64_t end_;
    std::uint64_t word_count_;
    std::unique_ptr<std::atomic<std::uint64_t>[]> used_;
    std::unique_ptr<std::atomic<std::uint64_t>[]> freed_;          // of each word: the newest freed_sequence
    std::unique_ptr<std::atomic<std::uint32_t>[]> free_in_group_;  // lets a scan skip full stretches
    std::atomic<std::uint64_t> free_count_{0};
    std::array<std::atomic<std::uint64_t>, cursor_count> cursors_;  // where a worker (worker_number.hpp) looks next
};

}  // namespace lockstep::server::fs
