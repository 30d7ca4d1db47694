// The contexts of a monitor: key → state and registers, in one open-addressing table that many threads read and change
// at once without a mutex. It is reserved once; when it is full, a new context is refused, never an old one harmed.
// C++17.
//
// A key hashes to its *home* slot and lies in one of the slots from there, 62 at most; the home's bitmap says in which
// of them keys of this home lie (hopscotch hashing without displacement). So a look-up touches the home and the entry,
// usually one cache line, a miss ends at once, and removed entries leave nothing behind to be searched over.
//
// The table has two parts, searched one after the other. A new entry goes into the *near* part, a few hundred slots
// that stay in a processor's cache, as long as there is room around its home; else into the *far* part, which has room
// for all. Contexts that live shortly (a request, a transaction) so never meet a cold line or page, however large the
// table was made. While the far part is empty, it is not looked at. Eight neighbouring keys (numbers 8n to 8n + 7)
// share a home in the near part, so a thread that numbers its contexts one after the other finds the last one's cache
// line still its own.
//
// Everything about an entry that changes is in its 64-bit control word:
//
//     63          40 39        24 23        19 18   17 16 15            0
//    |    steps     | generation |   unused   | L | status |    state   |    status: free, busy, live; L locked
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
//  * Registers are plain memory. They are used between locking (compare-and-swap, acquire) and unlocking (store,
//  release)
//    of their entry, or while it is busy.
//  * One key is never in two slots: insertion holds the lock of its near home while it looks again and publishes.
// What spins: insertion on its near home, and register models on their context, both for some ten instructions of
// another thread, with a limit. What a signal handler could interrupt and then wait for itself is excluded by the
// monitor's re-entrancy guard.
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
    std::uint16_t generation() const { return static_cast<std::uint16_t>(word >> 24); }
    std::uint32_t steps() const { return static_cast<std::uint32_t>(word >> 40); }

    Control with_status(Status status) const { return {(word & ~(std::uint64_t{3} << 16)) | (status << 16)}; }
    Control with_lock() const { return {word | lock_bit}; }
    Control unlocked() const { return {word & ~lock_bit}; }
    // After a step: the new state, one step more, unlocked.
    Control stepped(std::uint16_t state) const {
        return {((word & ~(lock_bit | std::uint64_t{0xffff})) | state) + (std::uint64_t{1} << 40)};
    }
    // Of a slot whose life is over.
    Control next_life() const { return {std::uint64_t{static_cast<std::uint16_t>(generation() + 1)} << 24}; }

    static constexpr std::uint64_t lock_bit = std::uint64_t{1} << 18;
};

template <std::size_t key_words, class Registers>
class ContextTable {
 public:
    using Key = std::array<std::uint64_t, key_words>;

    // With registers, an entry that fits into a cache line has one to itself: neighbours are other threads' contexts.
    static constexpr std::size_t entry_alignment =
        sizeof(Registers) + (2 + key_words) * sizeof(std::uint64_t) <= 64 ? 64 : alignof(std::uint64_t);
    struct alignas(entry_alignment) Entry {
        // Of this slot as a home: bit i, a key of this home lies in slot + i; and the two marks below.
        std::atomic<std::uint64_t> bitmap;
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

    // Room for at least `contexts`; twice as many slots, so that a window is full only when the table is.
    explicit ContextTable(std::uint64_t contexts)
        : far_{near.end(), contexts * 2 < 64 ? 64 : contexts * 2, 62}, slots_(far_.end()) {}

    // The upper bits are common to eight neighbouring keys, the lowest three tell those apart.
    static std::uint64_t hash(const Key& key) {
        std::uint64_t hash = 0x2545f4914f6cdd1d;
        std::uint64_t among_neighbours = 0;
        for (std::size_t word = 0; word < key_words; ++word) {
            const bool is_last = word + 1 == key_words;
            hash = mix(hash ^ (is_last ? key[word] >> 3 : key[word]), odd_constant);
            if (is_last) among_neighbours = key[word] & 7;
        }
        return (hash & ~std::uint64_t{7}) | among_neighbours;
    }

    [[gnu::always_inline]] Found find(const Key& key, std::uint64_t hash) {
        const Found found = find_in(near, key, hash);
        if (found || far_entries_.load(std::memory_order_acquire) == 0) return found;
        return find_in(far_, key, hash);
    }
    // Compare-and-swap of a found entry's control word; on failure the caller must find() again.
    static bool swap(Found& found, Control desired) {
        std::uint64_t expected = found.control.word;
        if (!found.slot->control.compare_exchange_strong(expected, desired.word, std::memory_order_acq_rel,
                                                         std::memory_order_relaxed))
            return false;
        found.control = desired;
        return true;
    }

    // The same by the one thread that holds the entry locked or busy: nobody else changes its control word, and a plain
    // store need not wait until the processor has written all that came before.
    static void store(Found& found, Control desired) {
        found.slot->control.store(desired.word, std::memory_order_release);
        found.control = desired;
    }

    // Asks whoever holds the entry locked, or locks it next, to remove it: its state is no longer sound. Should the
    // entry end meanwhile, its successor in the slot may be the one that goes.
    static void doom(const Found& found) { found.slot->bitmap.fetch_or(doomed, std::memory_order_relaxed); }
    static bool is_doomed(const Found& found) {
        return (found.slot->bitmap.load(std::memory_order_relaxed) & doomed) != 0;
    }

    enum class Insertion { done, exists, full, contended };

    // A new entry for `key` in `state`, its life's first step taken or not. With `locked` it is the caller's own until
    // it swaps the lock away.
    Insertion insert(const Key& key, std::uint64_t hash, std::uint16_t state, bool locked, bool stepped,
                     Found& inserted) {
        Slot* const home = home_of(near, hash);
        if (!lock_home(*home)) return Insertion::contended;
        std::uint64_t change = home_lock;  // of the home's bitmap, in one step: the lock goes, a new entry's bit comes
        const Insertion result = insert_alone(key, hash, state, locked, stepped, inserted, change);
        home->bitmap.fetch_xor(change, std::memory_order_release);
        return result;
    }

    // Ends the life of an entry that the caller has made busy and cleared of its registers' blocks.
    void release(const Found& found, std::uint64_t hash) {
        const bool is_far = index_of(found.slot) >= far_.begin;
        Slot* const home = home_of(is_far ? far_ : near, hash);
        if (is_doomed(found)) found.slot->bitmap.fetch_and(~doomed, std::memory_order_relaxed);
        home->bitmap.fetch_and(~(std::uint64_t{1} << (found.slot - home)), std::memory_order_release);
        found.slot->control.store(found.control.next_life().word, std::memory_order_release);
        if (is_far) far_entries_.fetch_sub(1, std::memory_order_release);
    }

    // Calls visit(index, Control, Key) for every live entry; entries that change meanwhile may or may not be seen.
    // A far part that holds nothing is not touched.
    template <class Visit>
    void for_each(Visit visit) const {
        const bool far_is_empty = far_entries_.load(std::memory_order_acquire) == 0;
        const std::uint64_t end = far_is_empty ? far_.begin : slots_.size();
        for (std::uint64_t index = 0; index < end; ++index) {
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
    // Slots from `begin` on that are homes, and after them slots that are none. An entry lies less than `window`, at
    // most 62, slots from its home.
    struct Part {
        std::uint64_t begin;
        std::uint64_t homes;
        std::uint64_t window;
        constexpr std::uint64_t end() const { return begin + homes + window; }
    };
    static constexpr Part near{0, 256, 16};
    static constexpr int near_shift = 64 - 8;  // leaves the number of a home
    // In a bitmap, beyond every window. Of a home of the near part: somebody inserts a key of it. Of an entry's own
    // slot: its holder, or the next, shall remove it.
    static constexpr std::uint64_t odd_constant = 0x9e3779b97f4a7c15;
    static constexpr std::uint64_t home_lock = std::uint64_t{1} << 63;
    static constexpr std::uint64_t doomed = std::uint64_t{1} << 62;

    [[gnu::always_inline]] Slot* home_of(const Part& part, std::uint64_t hash) {
        __extension__ typedef unsigned __int128 Wide;
        if (part.begin == near.begin) return &slots_[near.begin + (hash >> near_shift)];
        const std::uint64_t place = mix(hash, odd_constant);
        return &slots_[part.begin + static_cast<std::uint64_t>((static_cast<Wide>(place) * part.homes) >> 64)];
    }

    [[gnu::always_inline]] Found find_in(const Part& part, const Key& key, std::uint64_t hash) {
        Slot* const home = home_of(part, hash);
        std::uint64_t candidates = home->bitmap.load(std::memory_order_acquire) & ~(home_lock | doomed);
        // Usually it is the home itself: asked first, its words need not wait until the bitmap says which to load.
        if ((candidates & 1) != 0) {
            const Control control{home->control.load(std::memory_order_acquire)};
            if (control.is_live() && holds(*home, key)) return {home, control};
            candidates &= candidates - 1;
        }
        for (; candidates != 0; candidates &= candidates - 1) {
            Slot* const slot = home + __builtin_ctzll(candidates);
            const Control control{slot->control.load(std::memory_order_acquire)};
            if (control.is_live() && holds(*slot, key)) return {slot, control};
        }
        return {};
    }

    static bool holds(const Slot& slot, const Key& key) {
        for (std::size_t word = 0; word < key_words; ++word)
            if (slot.key[word].load(std::memory_order_relaxed) != key[word]) return false;
        return true;
    }

    // Excludes others who would insert a key of the same home, or the same key.
    static bool lock_home(Slot& home) {
        for (std::uint32_t turn = 0;; ++turn) {
            if ((home.bitmap.load(std::memory_order_relaxed) & home_lock) == 0 &&
                (home.bitmap.fetch_or(home_lock, std::memory_order_acquire) & home_lock) == 0)
                return true;
            if (!wait_a_little(turn)) return false;
        }
    }

    Insertion insert_alone(const Key& key, std::uint64_t hash, std::uint16_t state, bool locked, bool stepped,
                           Found& inserted, std::uint64_t& near_change) {
        if (find(key, hash)) return Insertion::exists;
        const auto fill = [&](Slot& slot) {
            for (std::size_t word = 0; word < key_words; ++word)
                slot.key[word].store(key[word], std::memory_order_relaxed);
            Control born{inserted.control.with_status(Control::live).word | state};
            if (stepped) born = born.stepped(state);
            if (locked) born = born.with_lock();
            slot.control.store(born.word, std::memory_order_release);
            inserted = {&slot, born};
        };
        if (Slot* const slot = seize_slot(near, hash, inserted.control)) {
            fill(*slot);
            near_change |= std::uint64_t{1} << (slot - home_of(near, hash));
            return Insertion::done;
        }
        Slot* const slot = seize_slot(far_, hash, inserted.control);
        if (slot == nullptr) return Insertion::full;
        fill(*slot);
        // Counted before it can be found, so that nobody who must find it passes the far part over.
        far_entries_.fetch_add(1, std::memory_order_acq_rel);
        Slot* const home = home_of(far_, hash);
        home->bitmap.fetch_or(std::uint64_t{1} << (slot - home), std::memory_order_release);
        return Insertion::done;
    }

    // A slot near the key's home that was free and is now busy, with the control word that it had; null: there is none.
    Slot* seize_slot(const Part& part, std::uint64_t hash, Control& before) {
        Slot* const home = home_of(part, hash);
        for (Slot* slot = home; slot != home + part.window; ++slot) {
            before.word = slot->control.load(std::memory_order_relaxed);
            if (before.status() == Control::free &&
                slot->control.compare_exchange_strong(before.word, before.with_status(Control::busy).word,
                                                      std::memory_order_acquire, std::memory_order_relaxed))
                return slot;
        }
        return nullptr;
    }

    const Part far_;
    Reserved<Slot> slots_;
    std::atomic<std::uint64_t> far_entries_{0};
};

}  // namespace lockstep::monitors
