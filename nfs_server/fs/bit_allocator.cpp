#include "nfs_server/fs/bit_allocator.hpp"

#include <algorithm>
#include <bit>

#include "nfs_server/base/check.hpp"
#include "nfs_server/base/worker_number.hpp"

namespace lockstep::server::fs {
namespace {

// How far a whole free word is looked for.
constexpr std::uint64_t longest_search_words = 512;

constexpr std::uint64_t all_ones = ~std::uint64_t{0};

// A number below 32 with its five bits in the opposite order.
constexpr std::uint64_t reversed(std::uint64_t n) {
    return (n & 1) << 4 | (n & 2) << 2 | (n & 4) | (n & 8) >> 2 | (n & 16) >> 4;
}

}  // namespace

BitAllocator::BitAllocator(std::uint64_t first, std::uint64_t end)
    : first_(first), end_(std::max(first, end)), word_count_((end_ + 63) / 64) {
    const std::uint64_t groups = word_count_ / group_words + 1;
    used_ = std::make_unique<std::atomic<std::uint64_t>[]>(word_count_);
    freed_ = std::make_unique<std::atomic<std::uint64_t>[]>(word_count_);
    free_in_group_ = std::make_unique<std::atomic<std::uint32_t>[]>(groups);
    for (std::uint64_t word = 0; word < word_count_; ++word) {
        std::uint64_t outside = 0;
        if (word * 64 < first_)
            outside |= first_ - word * 64 >= 64 ? all_ones : (std::uint64_t{1} << (first_ % 64)) - 1;
        if ((word + 1) * 64 > end_) outside |= all_ones << (end_ % 64);
        used_[word] = outside;
        const auto free = static_cast<std::uint32_t>(std::popcount(~outside));
        free_in_group_[word / group_words] += free;
        free_count_ += free;
    }
    for (std::size_t slot = 0; slot < cursor_count; ++slot) cursors_[slot] = home(slot);
}

void BitAllocator::load(std::uint64_t word, std::uint64_t used) {
    check(word < word_count_, "a bitmap word beyond the bitmap");
    const std::uint64_t before = used_[word].fetch_or(used);
    const auto newly = static_cast<std::uint32_t>(std::popcount(used & ~before));
    free_in_group_[word / group_words] -= newly;
    free_count_ -= newly;
}

std::optional<std::uint64_t> BitAllocator::take_in_word(std::uint64_t word, std::uint64_t allowed) {
    std::uint64_t seen = used_[word].load(std::memory_order_relaxed);
    for (;;) {
        const std::uint64_t candidates = ~seen & allowed;
        if (candidates == 0) return std::nullopt;
        const std::uint64_t chosen = candidates & (0 - candidates);
        if (used_[word].compare_exchange_weak(seen, seen | chosen, std::memory_order_acquire)) {
            free_in_group_[word / group_words].fetch_sub(1, std::memory_order_relaxed);
            free_count_.fetch_sub(1, std::memory_order_relaxed);
            return word * 64 + static_cast<std::uint64_t>(std::countr_zero(chosen));
        }
    }
}

std::optional<std::uint64_t> BitAllocator::take(std::uint64_t goal) {
    if (word_count_ == 0) return std::nullopt;
    if (goal < first_ || goal >= end_) goal = first_;
    const std::uint64_t start = goal / 64;
    if (auto bit = take_in_word(start, all_ones << (goal % 64))) return bit;
    std::uint64_t word = start + 1;
    for (std::uint64_t seen = 0; seen < word_count_;) {  // the start word comes again, at the end, in full
        if (word >= word_count_) word = 0;
        if (word % group_words == 0 && free_in_group_[word / group_words].load(std::memory_order_relaxed) == 0) {
            const std::uint64_t skipped = std::min(group_words, word_count_ - word);
            word += skipped;
            seen += skipped;
            continue;
        }
        if (auto bit = take_in_word(word, all_ones)) return bit;
        ++word;
        ++seen;
    }
    return take_in_word(start, all_ones);
}

std::optional<std::uint64_t> BitAllocator::take_apart(std::uint64_t goal) {
    if (goal < first_ || goal >= end_) return take(goal);
    if (auto bit = take_in_word(goal / 64, std::uint64_t{1} << (goal % 64))) return bit;
    const std::uint64_t end = std::min(word_count_, goal / 64 + 1 + longest_search_words);
    for (std::uint64_t word = goal / 64 + 1; word < end; ++word) {
        if (used_[word].load(std::memory_order_relaxed) != 0) continue;
        if (auto bit = take_in_word(word, all_ones)) return bit;
    }
    return take(goal);
}

std::optional<std::uint64_t> BitAllocator::take() {
    auto& cursor = cursors_[worker_number() % cursor_count];
    auto bit = take(cursor.load(std::memory_order_relaxed));
    if (bit) cursor.store(*bit + 1, std::memory_order_relaxed);
    return bit;
}

void BitAllocator::give_back(std::uint64_t bit, std::uint64_t freed_sequence) {
    check(bit >= first_ && bit < end_, "a bit given back that was never to be had");
    // Before the bit is free: who takes it finds the sequence.
    auto& newest = freed_[bit / 64];
    for (std::uint64_t seen = newest.load(std::memory_order_relaxed); seen < freed_sequence;)
        if (newest.compare_exchange_weak(seen, freed_sequence, std::memory_order_relaxed)) break;
    const std::uint64_t mask = std::uint64_t{1} << (bit % 64);
    const std::uint64_t before = used_[bit / 64].fetch_and(~mask, std::memory_order_release);
    check((before & mask) != 0, "a bit given back twice");
    free_in_group_[bit / 64 / group_words].fetch_add(1, std::memory_order_relaxed);
    free_count_.fetch_add(1, std::memory_order_relaxed);
    // What was freed is used again by whoever works there, so files that come and go stay in the same few blocks,
    // whichever threads make and remove them. Of two who lower a cursor at once one may lose: it is a hint.
    auto& cursor = cursors_[worker_near(bit)];
    if (bit < cursor.load(std::memory_order_relaxed)) cursor.store(bit, std::memory_order_relaxed);
}

std::uint64_t BitAllocator::freed_sequence(std::uint64_t bit) const {
    return freed_[bit / 64].load(std::memory_order_relaxed);
}

bool BitAllocator::is_used(std::uint64_t bit) const {
    return (used_[bit / 64].load(std::memory_order_relaxed) >> (bit % 64) & 1) != 0;
}

// Homes are whole words apart, in an order that puts the first threads far from each other.
std::uint64_t BitAllocator::home(std::size_t slot) const {
    return std::max(first_, word_count_ * reversed(slot) / cursor_count * 64);
}

// The last home at or before the bit: word_count_ * n / cursor_count <= word, for the largest n.
std::size_t BitAllocator::worker_near(std::uint64_t bit) const {
    const std::uint64_t word = bit / 64;
    return reversed((word * cursor_count + cursor_count - 1) / word_count_);
}

}  // namespace lockstep::server::fs
