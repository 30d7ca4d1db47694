// Strings as 64-bit numbers. A string field is hashed once, when its event arrives; keys, registers, guards and the
// history see the hash only. This table remembers what the hashes stood for, so that a report can name them, and
// notices when two different strings had one hash. It only ever grows, up to its bound; past the bound a report shows
// the hash. C++17.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>

#include "monitors/runtime/reserved.hpp"

namespace lockstep::monitors {

// Mixes two words into one: the halves of their 128-bit product, folded.
inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    __extension__ typedef unsigned __int128 Wide;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// The hash of a string's bytes. The empty string's is 0, no other's is: a map's missing string reads as the empty one.
inline std::uint64_t hash_string(const char* text, std::size_t size) {
    constexpr std::uint64_t odd_1 = 0x9e3779b97f4a7c15, odd_2 = 0xd6e8feb86659fd93;
    if (size == 0) return 0;
    std::uint64_t hash = odd_2 ^ size;
    for (; size > 8; text += 8, size -= 8) {
        std::uint64_t word;
        std::memcpy(&word, text, 8);
        hash = mix(hash ^ word, odd_1);
    }
    std::uint64_t tail = 0;
    std::memcpy(&tail, text, size);
    hash = mix(mix(hash ^ tail, odd_1), odd_2);
    return hash == 0 ? 1 : hash;
}

// Threads: every function from any number at once. Nothing blocks or allocates after construction.
//
// Memory order: a slot is claimed by a compare-and-swap of its hash from 0. The claimant writes the text and then
// stores `ready` with release; readers load `ready` with acquire before they look at the text, which never changes
// again.
class StringTable {
 public:
    static constexpr std::size_t text_bytes = 47;  // of a longer string the table keeps the beginning
    static constexpr std::size_t capacity = 16384;

    StringTable() : slots_(capacity) {}

    // The hash of `text`; a null pointer counts as the empty string.
    std::uint64_t intern(const char* text) {
        const std::size_t size = text == nullptr ? 0 : std::strlen(text);
        const std::uint64_t hash = hash_string(text, size);
        if (hash != 0) remember(hash, text, size);
        return hash;
    }

    // The text, cut to text_bytes; null when the table does not know it. It lives as long as the table.
    const char* text_of(std::uint64_t hash) const {
        if (hash == 0) return "";
        for (std::size_t probe = 0; probe < probe_limit; ++probe) {
            const Slot& slot = slots_[(hash + probe) % capacity];
            const std::uint64_t found = slot.hash.load(std::memory_order_acquire);
            if (found == 0) return nullptr;
            if (found == hash) return slot.ready.load(std::memory_order_acquire) ? slot.text : nullptr;
        }
        return nullptr;
    }

    std::uint64_t collisions() const { return collisions_.load(std::memory_order_relaxed); }

 private:
    static constexpr std::size_t probe_limit = 32;

    struct Slot {
        std::atomic<std::uint64_t> hash;
        std::uint32_t size;
        std::atomic<std::uint8_t> ready;
        char text[text_bytes + 4];
    };
    static_assert(sizeof(Slot) == 64, "one cache line");

    void remember(std::uint64_t hash, const char* text, std::size_t size) {
        for (std::size_t probe = 0; probe < probe_limit; ++probe) {
            Slot& slot = slots_[(hash + probe) % capacity];
            std::uint64_t found = slot.hash.load(std::memory_order_acquire);
            if (found == 0 && slot.hash.compare_exchange_strong(found, hash, std::memory_order_acq_rel)) {
                slot.size = static_cast<std::uint32_t>(size);
                std::memcpy(slot.text, text, size < text_bytes ? size : text_bytes);
                slot.ready.store(1, std::memory_order_release);
                return;
            }
            if (found == hash) {
                if (slot.ready.load(std::memory_order_acquire) != 0 && !same(slot, text, size))
                    collisions_.fetch_add(1, std::memory_order_relaxed);
                return;
            }
        }
    }

    static bool same(const Slot& slot, const char* text, std::size_t size) {
        return slot.size == static_cast<std::uint32_t>(size) &&
               std::memcmp(slot.text, text, size < text_bytes ? size : text_bytes) == 0;
    }

    Reserved<Slot> slots_;
    std::atomic<std::uint64_t> collisions_{0};
};

}  // namespace lockstep::monitors
