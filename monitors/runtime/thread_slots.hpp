// What each thread that meets a monitor keeps for itself: counters that nobody else writes, the last events, and the
// flag that guards against re-entrancy. The probe so shares no cache line with other threads but those of the context
// itself. C++17.
#pragma once

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "monitors/runtime/block_pool.hpp"
#include "monitors/runtime/context_table.hpp"
#include "monitors/runtime/reserved.hpp"
#include "monitors/runtime/violation.hpp"

namespace lockstep::monitors {

// A counter with one writer at a time; anybody may read it.
class Counter {
 public:
    void add(std::uint64_t amount = 1) { value_.store(value() + amount, std::memory_order_relaxed); }
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
    std::atomic<std::uint64_t> value_;
};

// The calling thread's number, asked of the kernel once a thread. Initial-exec: reading it neither allocates nor calls.
inline std::uint32_t this_thread() {
    static thread_local std::uint32_t tid __attribute__((tls_model("initial-exec"))) = 0;
    if (__builtin_expect(tid == 0, 0)) tid = static_cast<std::uint32_t>(syscall(SYS_gettid));
    return tid;
}

// The last events of one thread, in a ring of records. One writer; any thread may read at any time. A record is some
// 64-bit words:
//     0   the context's slot in the table (32 bits), the state before (16), the event (16)
//     1   the context's control word after the event; the mark `tells_origin` among its unused bits
//     2   the time in ns
//     3…  the event's fields, and behind the room for the longest event's: where it happened, with that mark. A probe
//         leaves those out, for its thread says it once (ThreadSlot::place).
//
// Memory order: the writer stores a record's words and then the head, all with release; a reader loads the head, copies
// the words, and loads the head again, all with acquire. Whoever copied a word of a later record sees the head that
// preceded it, and drops the copy.
class History {
 public:
    using Word = std::atomic<std::uint64_t>;
    static constexpr std::uint32_t header_words = 3;
    static constexpr std::uint32_t place_words = 2;
    static constexpr std::uint64_t tells_origin = std::uint64_t{1} << 20;
    static constexpr std::uint64_t nothing = ~std::uint64_t{0};  // first word of a record that is none

    static std::uint64_t place(const Origin& origin, std::uint32_t word) {
        return word == 0 ? (origin.net_ns << 16) | (origin.cpu & 0xffff)
                         : (std::uint64_t{origin.vpid} << 32) | origin.vtid;
    }

    // A record but for the place.
    template <std::size_t count>
    [[gnu::always_inline]] static void write(Word* words, std::uint32_t slot, std::uint16_t from, std::uint16_t event,
                                             std::uint64_t control, std::uint64_t time_ns,
                                             const std::array<std::uint64_t, count>& fields) {
        const auto put = [words](std::uint32_t i, std::uint64_t word) {
            words[i].store(word, std::memory_order_relaxed);
        };
        put(0, (std::uint64_t{slot} << 32) | (std::uint64_t{from} << 16) | event);
        put(1, control);
        put(2, time_ns);
        put_fields(words + header_words, fields, std::make_index_sequence<count>{});
    }

    static std::uint32_t slot_of(std::uint64_t first_word) { return static_cast<std::uint32_t>(first_word >> 32); }

    // `place`: of the record or its thread.
    static TakenEvent read(const std::uint64_t* words, std::uint32_t field_count, const std::uint64_t* place) {
        const Control after{words[1]};
        TakenEvent event{};
        event.event = static_cast<std::uint16_t>(words[0]);
        event.steps = after.steps();
        event.from_state = static_cast<std::uint16_t>(words[0] >> 16);
        event.to_state = after.state();
        event.origin = {words[2], place[0] >> 16, static_cast<std::uint32_t>(place[1] >> 32),
                        static_cast<std::uint32_t>(place[1]), static_cast<std::uint32_t>(place[0] & 0xffff)};
        for (std::uint32_t i = 0; i < field_count; ++i) event.fields[i] = words[header_words + i];
        return event;
    }

 private:
    // Unrolled: as a loop, the fields would be copied twice more through memory.
    template <std::size_t count, std::size_t... i>
    [[gnu::always_inline]] static void put_fields(Word* words, const std::array<std::uint64_t, count>& fields,
                                                  std::index_sequence<i...>) {
        (words[i].store(fields[i], std::memory_order_relaxed), ...);
    }
};

template <std::uint32_t event_count, std::uint32_t edge_count>
struct ThreadSlot {
    std::atomic<std::uint32_t> owner;     // the thread's number; 0: nobody's yet
    std::atomic<bool> busy;               // the owner is inside a probe
    std::atomic<History::Word*> history;  // the owner's ring; null: none is kept
    std::atomic<std::uint64_t> history_head;
    History::Word place[History::place_words];  // where the owner's events happen, for other threads
    Origin origin;                              // the same for the owner itself, and the time of its last event
    BlockCache blocks;
    Counter created, reclaimed, violations, table_full, register_full, contended, reentrant, reports_dropped;
    Counter ignored[event_count == 0 ? 1 : event_count];   // in unknown contexts
    Counter entered[event_count == 0 ? 1 : event_count];   // fixed a state without a step
    Counter rejected[event_count == 0 ? 1 : event_count];  // violations, and contexts given up
    Counter taken[edge_count == 0 ? 1 : edge_count];
    char pad[64];
};

// The slots of all threads, found by the thread's number. A thread keeps its slot; a dead thread's is reused when all
// are in use.
template <class Slot>
class ThreadSlots {
 public:
    static constexpr std::uint32_t capacity = 1024;

    // The first `rings` threads that come keep a history, each of `records` records of `record_words` words.
    ThreadSlots(std::uint64_t rings, std::uint64_t records, std::uint32_t record_words)
        : slots_(capacity),
          rings_(rings),
          records_(records),
          record_words_(record_words),
          history_(rings * records * record_words) {}

    // Where a thread's slot is, unless another thread owns that one: then search() finds it.
    [[gnu::always_inline]] Slot* home(std::uint32_t thread) { return &slots_[thread % capacity]; }

    // The calling thread's slot; null when more than `capacity` threads are alive that met this monitor.
    [[gnu::noinline]] Slot* search(std::uint32_t thread) {
        for (std::uint32_t probe = 0; probe < capacity; ++probe) {
            Slot& slot = slots_[(thread + probe) % capacity];
            std::uint32_t owner = slot.owner.load(std::memory_order_relaxed);
            if (owner == thread) return &slot;
            if (owner == 0 && slot.owner.compare_exchange_strong(owner, thread, std::memory_order_acq_rel)) {
                settle(slot, thread);
                const std::uint64_t ring = rings_used_.fetch_add(1, std::memory_order_relaxed);
                if (ring < rings_)
                    slot.history.store(&history_[ring * records_ * record_words_], std::memory_order_release);
                return &slot;
            }
        }
        return inherit(thread);
    }

    template <class Visit>
    void for_each(Visit visit) const {
        for (std::uint32_t i = 0; i < capacity; ++i)
            if (slots_[i].owner.load(std::memory_order_acquire) != 0) visit(slots_[i]);
    }

 private:
    // tgkill with signal 0 asks whether a thread lives. A slot's counters go on counting for its next owner.
    Slot* inherit(std::uint32_t thread) {
        const int saved_errno = errno;
        Slot* inherited = nullptr;
        for (std::uint32_t i = 0; i < capacity && inherited == nullptr; ++i) {
            std::uint32_t owner = slots_[i].owner.load(std::memory_order_acquire);
            if (syscall(SYS_tgkill, getpid(), owner, 0) == 0 || errno != ESRCH) continue;
            if (slots_[i].owner.compare_exchange_strong(owner, thread, std::memory_order_acq_rel))
                inherited = &slots_[i];
        }
        if (inherited != nullptr) {
            inherited->busy.store(false, std::memory_order_relaxed);
            forget_history(*inherited);
            settle(*inherited, thread);
        }
        errno = saved_errno;
        return inherited;
    }

    static void settle(Slot& slot, std::uint32_t thread) {
        slot.origin = {0, net_ns_of_this_thread(), static_cast<std::uint32_t>(getpid()), thread, 0};
        for (std::uint32_t i = 0; i < History::place_words; ++i)
            slot.place[i].store(History::place(slot.origin, i), std::memory_order_release);
    }

    // The dead thread's events must not become the heir's: whoever reads the new place finds the records gone.
    void forget_history(Slot& slot) {
        History::Word* const ring = slot.history.load(std::memory_order_relaxed);
        if (ring == nullptr) return;
        for (std::uint64_t record = 0; record < records_; ++record)
            ring[record * record_words_].store(History::nothing, std::memory_order_relaxed);
    }

    // As LTTng's context does: looked up once a thread, so a later setns() goes unnoticed.
    static std::uint64_t net_ns_of_this_thread() {
        const int saved_errno = errno;
        struct stat status;
        const std::uint64_t inode = stat("/proc/thread-self/ns/net", &status) == 0 ? status.st_ino : 0;
        errno = saved_errno;
        return inode;
    }

    Reserved<Slot> slots_;
    const std::uint64_t rings_;
    const std::uint64_t records_;
    const std::uint32_t record_words_;
    Reserved<History::Word> history_;
    std::atomic<std::uint64_t> rings_used_{0};
};

}  // namespace lockstep::monitors
