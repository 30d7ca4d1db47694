// A violation as the probe leaves it: fixed in size, numbers only, made without allocating. The host turns it into a
// reactors::Report. And the queue that it travels in. C++17.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "monitors/runtime/descriptor.hpp"
#include "monitors/runtime/registers.hpp"
#include "monitors/runtime/reserved.hpp"

namespace lockstep::monitors {

inline constexpr std::uint32_t max_keys = 8;
inline constexpr std::uint32_t max_fields = 16;        // of one event
inline constexpr std::uint32_t reported_history = 24;  // events of the context that a report tells
inline constexpr std::uint32_t reported_words = 384;   // of register content that a report tells

// One event that a context took. Strings are hashes (StringTable).
struct TakenEvent {
    Origin origin;
    std::uint32_t steps;  // of the context, counted from its start, modulo 2^24
    std::uint16_t event;
    std::uint16_t from_state;
    std::uint16_t to_state;
    std::uint64_t fields[max_fields];
};

// Register contents as words: for each register of the model, in order: the number of its entries, the number told
// here, and these entries' words (integer, flag, clock, set: 1; map: key, value; ranges: owner, first, last, mode).
class RegisterDump {
 public:
    void value(std::uint64_t word) {
        if (!begin(1, 1, 1)) return;
        words_[used_++] = word;
    }

    // A clock that does not run has no entry.
    void clock(const Clock& clock, std::uint64_t now_ns) {
        if (!begin(clock.running() ? 1 : 0, clock.running() ? 1 : 0, 1)) return;
        if (clock.running()) words_[used_++] = clock.elapsed_ns(now_ns);
    }

    template <unsigned width>
    void entries(const Entries<width>& entries, BlockPool& pool) {
        const std::uint32_t room = used_ + 2 < reported_words ? (reported_words - used_ - 2) / width : 0;
        const std::uint32_t told = entries.size() < room ? entries.size() : room;
        if (!begin(entries.size(), told, width)) return;
        std::uint32_t copied = 0;
        entries.find(pool, [&](const std::uint64_t* entry) {
            if (copied == told) return true;
            for (unsigned i = 0; i < width; ++i) words_[used_++] = entry[i];
            ++copied;
            return false;
        });
    }

    std::uint32_t used() const { return used_; }
    std::uint64_t operator[](std::uint32_t index) const { return words_[index]; }

 private:
    bool begin(std::uint64_t size, std::uint64_t told, std::uint32_t width) {
        if (used_ + 2 + told * width > reported_words) return false;
        words_[used_++] = size;
        words_[used_++] = told;
        return true;
    }

    std::uint32_t used_;
    std::uint64_t words_[reported_words];
};

// In the place of an event: an invariant's time was over.
inline constexpr std::uint16_t no_event = 0xffff;

struct ViolationRecord {
    Origin origin;
    std::uint16_t state;
    std::uint16_t event;  // or no_event; binding and fields then mean nothing
    std::uint32_t binding;
    std::uint64_t key[max_keys];
    std::uint64_t fields[max_fields];
    RegisterDump registers;
    std::uint64_t history_omitted;
    std::uint32_t history_count;
    TakenEvent history[reported_history];  // oldest first
};

// Violations on their way from the probes to one reader. Threads: push() from any number, pop() from one at a time.
// A bounded queue after Dmitry Vyukov: a cell's turn says whose it is: `position` a producer's, `position + 1` the
// reader's.
class ViolationQueue {
 public:
    static constexpr std::uint64_t capacity = 256;

    ViolationQueue() : records_(capacity) {
        for (std::uint64_t i = 0; i < capacity; ++i) turns_[i].store(i, std::memory_order_relaxed);
    }

    // Calls fill(ViolationRecord&) on a zeroed record in the queue. False, and nothing called, when the queue is full.
    template <class Fill>
    bool push(Fill fill) {
        std::uint64_t position = tail_.load(std::memory_order_relaxed);
        for (;;) {
            const std::uint64_t turn = turns_[position % capacity].load(std::memory_order_acquire);
            if (turn < position) return false;
            if (turn > position)
                position = tail_.load(std::memory_order_relaxed);
            else if (tail_.compare_exchange_weak(position, position + 1, std::memory_order_relaxed))
                break;
        }
        ViolationRecord& record = records_[position % capacity];
        record = ViolationRecord{};
        fill(record);
        turns_[position % capacity].store(position + 1, std::memory_order_release);
        return true;
    }

    bool pop(ViolationRecord& record) {
        const std::uint64_t turn = turns_[head_ % capacity].load(std::memory_order_acquire);
        if (turn != head_ + 1) return false;
        record = records_[head_ % capacity];
        turns_[head_ % capacity].store(head_ + capacity, std::memory_order_release);
        ++head_;
        return true;
    }

 private:
    Reserved<ViolationRecord> records_;
    std::array<std::atomic<std::uint64_t>, capacity> turns_;
    std::atomic<std::uint64_t> tail_{0};
    std::uint64_t head_ = 0;
};

}  // namespace lockstep::monitors
