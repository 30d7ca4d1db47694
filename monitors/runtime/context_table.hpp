// The contexts of a monitor: key → state and registers, in one open-addressing table that many threads read and change
// at once without a mutex. It is reserved once; when it is full, a new context is refused, never an old one harmed.
// C++17.
//
// A key hashes to its *home* slot and lies in one of the 64 slots from there; the home's bitmap says in which of them
// keys of this home lie (hopscotch hashing without displacement). So a look-up touches the home and the entry, usually
// one cache line, a miss ends at once, and removed entries leave nothing behind to be searched over.
//
// Everything about an entry that changes is in its 64-bit control word:
//
//     63          40 39        24 23   20 19 18   17 16 15            0
//    |    steps     | generation | unused | D | L | status |    state   |    status: free, busy, live; L locked; D
//    doomed
//
// Memory order, the whole argument:
//  * A slot goes free → busy (compare-and-swap, acquire) → live (store, release) → busy (compare-and-swap, acquire and
//  release)
//    → free (store, release, generation + 1). Only the thread that made it busy writes the key, so a reader that
//    acquired `live` sees that life's key.
//  * A reader may compare the key of a later life than its control word. It then changes nothing: every change is a
//    compare-and-swap from the control word that was read before the key. All changes of a control word are
//    read-modify-writes with acquire and release, or stores of the one thread that holds it busy or locked, so if the
//    swap succeeds, no later life's key store can have happened before the key was read: the key belonged to that
//    control word. (The word repeats after 2^16 lives and 2^24 steps between one load and its swap; that is taken as
//    never.)
//  * Registers are plain memory. They are used between locking (compare-and-swap, acquire) and unlocking
//  (compare-and-swap,
//    release) of their entry, or while it is busy.
//  * One key is never in two slots: insertion holds the stripe lock of its home while it looks again and publishes.
// What spins: insertion on its stripe, and register models on their context, both for some ten instructions of another
// thread, with a limit. What a signal handler could interrupt and then wait for itself is excluded by the monitor's
// re-entrancy guard.
#pragma once

#include <sched.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <type_traits>

#include "monitors/runtime/reserved.hpp"
#include "monitors/runtime/string_table.hpp"

namespace lockstep::monitors {

// The control word, by value.
struct Control {
    enum Status : std::uint64_t { free = 0, busy = 1, live = 2 };

    std::uint64_t word = 0;

    std::uint16_t state() const { return static_cast<std::uint16_t>(word); }
    Status status() const { return static_cast<Status>((word >> 16) & 3); }
    bool is_live() const { return status() == live; }
    bool locked() const { return (word & lock_bit) != 0; }
    bool doomed() const { return (word & doom_bit) != 0; }
    std::uint16_t generation() const { return static_cast<std::uint16_t>(word >> 24); }
    std::uint32_t steps() const { return static_cast<std::uint32_t>(word >> 40); }

    Control with_status(Status status) const { return {(word & ~(std::uint64_t{3} << 16)) | (status << 16)}; }
    Control with_lock() const { return {word | lock_bit}; }
    Control unlocked() const { return {word & ~lock_bit}; }
    Control with_doom() const { return {word | doom_bit}; }
    // After a step: the new state, one step more, unlocked.
    Control stepped(std::uint16_t state) const {
        return {((word & ~(lock_bit | std::uint64_t{0xffff})) | state) + (std::uint64_t{1} << 40)};
    }
    // Of a slot whose life is over.
    Control next_life() const { return {std::uint64_t{static_cast<std::uint16_t>(generation() + 1)} << 24}; }

    static constexpr std::uint64_t lock_bit = std::uint64_t{1} << 18;
    static constexpr std::uint64_t doom_bit = std::uint64_t{1} << 19;
};

template <std::size_t key_words, class Registers>
class ContextTable {
 public:
    using Key = std::array<std::uint64_t, key_words>;

    struct Entry {
        std::atomic<std::uint64_t> bitmap;  // of this slot as a home: bit i, a key of this home lies in slot + i
        std::atomic<std::uint64_t> control;
        std::atomic<std::uint64_t> key[key_words == 0 ? 1 : key_words];
        Registers registers;
    };
    struct EntryWithoutRegisters {
        std::atomic<std::uint64_t> bitmap;
        std::atomic<std::uint64_t> control;
        std::atomic<std::uint64_t> key[key_words == 0 ? 1 : key_words];
    };
    using Slot = std::conditional_t<std::is_empty_v<Registers>, EntryWithoutRegisters, Entry>;

    // An entry as it was when it was found.
    struct Found {
        Slot* slot = nullptr;
        Control control;
        explicit operator bool() const { return slot != nullptr; }
    };

    // Room for at least `contexts`; twice as many slots, so that 64 from a home are full only when the table is.
    explicit ContextTable(std::uint64_t contexts)
        : homes_(contexts * 2 < window ? window : contexts * 2), slots_(homes_ + window) {}

    static std::uint64_t hash(const Key& key) {
        std::uint64_t hash = 0x2545f4914f6cdd1d;
        for (const std::uint64_t word : key) hash = mix(hash ^ word, 0x9e3779b97f4a7c15);
        return hash;
    }

    Found find(const Key& key, std::uint64_t hash) {
        Slot* const home = home_of(hash);
        std::uint64_t candidates = home->bitmap.load(std::memory_order_acquire);
        for (; candidates != 0; candidates &= candidates - 1) {
            Slot* const slot = home + __builtin_ctzll(candidates);
            const Control control{slot->control.load(std::memory_order_acquire)};
            if (control.is_live() && holds(*slot, key)) return {slot, control};
        }
        return {};
    }

    // Compare-and-swap of a found entry's control word; on failure the caller must find() again.
    static bool swap(Found& found, Control desired) {
        if (!found.slot->control.compare_exchange_strong(found.control.word, desired.word, std::memory_order_acq_rel,
                                                         std::memory_order_relaxed))
            return false;
        found.control = desired;
        return true;
    }

    enum class Insertion { done, exists, full, contended };

    // A new entry for `key` in `state`, its life's first step taken or not. With `locked` it is the caller's own until
    // it swaps the lock away.
    Insertion insert(const Key& key, std::uint64_t hash, std::uint16_t state, bool locked, bool stepped,
                     Found& inserted) {
        std::atomic<std::uint8_t>& stripe = stripes_[(hash >> 20) % stripes_.size()];
        if (!lock_stripe(stripe)) return Insertion::contended;
        const Insertion result = insert_alone(key, hash, state, locked, stepped, inserted);
        stripe.store(0, std::memory_order_release);
        return result;
    }

    // Ends the life of an entry that the caller has made busy and cleared of its registers' blocks.
    void release(const Found& found, std::uint64_t hash) {
        Slot* const home = home_of(hash);
        home->bitmap.fetch_and(~(std::uint64_t{1} << (found.slot - home)), std::memory_order_release);
        found.slot->control.store(found.control.next_life().word, std::memory_order_release);
    }

    // Calls visit(index, Control, Key) for every live entry; entries that change meanwhile may or may not be seen.
    template <class Visit>
    void for_each(Visit visit) const {
        for (std::uint64_t index = 0; index < slots_.size(); ++index) {
            Key key{};
            const Control control = look(index, key);
            if (control.is_live()) visit(index, control, key);
        }
    }

    // A slot's control word, and then its key.
    Control look(std::uint64_t index, Key& key) const {
        const Control control{slots_[index].control.load(std::memory_order_acquire)};
        for (std::size_t word = 0; word < key_words; ++word)
            key[word] = slots_[index].key[word].load(std::memory_order_relaxed);
        return control;
    }

    Slot& slot(std::uint64_t index) { return slots_[index]; }

    std::uint32_t index_of(const Slot* slot) const { return static_cast<std::uint32_t>(slot - &slots_[0]); }

    // Waits a moment for another thread: `turn` counts from 0. False at the limit, after some 100 ms.
    static bool wait_a_little(std::uint32_t turn) {
        if (turn >= 64) sched_yield();
        return turn < 200'000;
    }

 private:
    static constexpr std::uint64_t window = 64;

    Slot* home_of(std::uint64_t hash) {
        __extension__ typedef unsigned __int128 Wide;
        return &slots_[static_cast<std::uint64_t>((static_cast<Wide>(hash) * homes_) >> 64)];
    }

    static bool holds(const Slot& slot, const Key& key) {
        for (std::size_t word = 0; word < key_words; ++word)
            if (slot.key[word].load(std::memory_order_relaxed) != key[word]) return false;
        return true;
    }

    static bool lock_stripe(std::atomic<std::uint8_t>& stripe) {
        for (std::uint32_t turn = 0;; ++turn) {
            if (stripe.load(std::memory_order_relaxed) == 0 && stripe.exchange(1, std::memory_order_acquire) == 0)
                return true;
            if (!wait_a_little(turn)) return false;
        }
    }

    Insertion insert_alone(const Key& key, std::uint64_t hash, std::uint16_t state, bool locked, bool stepped,
                           Found& inserted) {
        if (find(key, hash)) return Insertion::exists;
        Slot* const home = home_of(hash);
        for (std::uint64_t distance = 0; distance < window; ++distance) {
            Slot& slot = home[distance];
            Control control{slot.control.load(std::memory_order_relaxed)};
            if (control.status() != Control::free) continue;
            if (!slot.control.compare_exchange_strong(control.word, control.with_status(Control::busy).word,
                                                      std::memory_order_acquire, std::memory_order_relaxed))
                continue;
            for (std::size_t word = 0; word < key_words; ++word)
                slot.key[word].store(key[word], std::memory_order_relaxed);
            Control born{control.with_status(Control::live).word | state};
            if (stepped) born = born.stepped(state);
            if (locked) born = born.with_lock();
            slot.control.store(born.word, std::memory_order_release);
            home->bitmap.fetch_or(std::uint64_t{1} << distance, std::memory_order_release);
            inserted = {&slot, born};
            return Insertion::done;
        }
        return Insertion::full;
    }

    std::uint64_t homes_;
    Reserved<Slot> slots_;
    std::array<std::atomic<std::uint8_t>, 1024> stripes_{};
};

}  // namespace lockstep::monitors
