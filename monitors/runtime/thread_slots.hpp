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

#include "monitors/runtime/block_pool.hpp"
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

// The last events of one thread, in a ring of 64-bit words. One writer; any thread may read at any time.
//
// Memory order: the writer stores a record's words and then the head, all with release; a reader loads the head, copies
// the words, and loads the head again, all with acquire. Whoever copied a word of a later record sees the head that
// preceded it, and drops the copy.
class History {
 public:
    static constexpr std::uint32_t header_words = 5;
    static constexpr std::uint32_t record_words = header_words + max_fields;

    // The record's identity of a context: the table's slot and the life in it.
    static std::uint64_t identity(std::uint32_t slot, std::uint16_t generation) {
        return (std::uint64_t{slot} << 16) | generation;
    }

    template <std::size_t count>
    static void write(std::atomic<std::uint64_t>* words, std::uint64_t identity, std::uint32_t steps,
                      std::uint16_t event, std::uint16_t from, std::uint16_t to, const Origin& origin,
                      const std::array<std::uint64_t, count>& fields) {
        const auto put = [words](std::uint32_t i, std::uint64_t word) {
            words[i].store(word, std::memory_order_relaxed);
        };
        put(0, (identity << 16) | event);
        put(1, (std::uint64_t{steps} << 32) | (std::uint64_t{from} << 16) | to);
        put(2, origin.time_ns);
        put(3, (origin.net_ns << 16) | (origin.cpu & 0xffff));
        put(4, (std::uint64_t{origin.vpid} << 32) | origin.vtid);
        for (std::uint32_t i = 0; i < count; ++i) put(header_words + i, fields[i]);
    }

    static std::uint64_t identity_of(const std::uint64_t* words) { return words[0] >> 16; }

    static TakenEvent read(const std::uint64_t* words, std::uint32_t field_count) {
        TakenEvent event{};
        event.event = static_cast<std::uint16_t>(words[0]);
        event.steps = static_cast<std::uint32_t>(words[1] >> 32);
        event.from_state = static_cast<std::uint16_t>(words[1] >> 16);
        event.to_state = static_cast<std::uint16_t>(words[1]);
        event.origin = {words[2], words[3] >> 16, static_cast<std::uint32_t>(words[4] >> 32),
                        static_cast<std::uint32_t>(words[4]), static_cast<std::uint32_t>(words[3] & 0xffff)};
        for (std::uint32_t i = 0; i < field_count; ++i) event.fields[i] = words[header_words + i];
        return event;
    }
};

template <std::uint32_t event_count, std::uint32_t edge_count>
struct ThreadSlot {
    std::atomic<std::uint32_t> owner;  // the thread's number; 0: nobody's yet
    std::atomic<bool> busy;            // the owner is inside a probe
    std::atomic<std::uint32_t>
        ring;  // which ring of history, counted from 1 in the order in which threads came; 0: not yet
    std::uint64_t net_ns;
    std::atomic<std::uint64_t> history_head;
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

    ThreadSlots() : slots_(capacity) {}

    // The caller's slot; null when more than `capacity` threads are alive that met this monitor.
    [[gnu::always_inline]] Slot* mine(std::uint32_t thread) {
        Slot& slot = slots_[thread % capacity];
        if (__builtin_expect(slot.owner.load(std::memory_order_relaxed) == thread, 1)) return &slot;
        return search(thread);
    }

    template <class Visit>
    void for_each(Visit visit) const {
        for (std::uint32_t i = 0; i < capacity; ++i)
            if (slots_[i].owner.load(std::memory_order_acquire) != 0) visit(slots_[i]);
    }

 private:
    [[gnu::noinline]] Slot* search(std::uint32_t thread) {
        for (std::uint32_t probe = 0; probe < capacity; ++probe) {
            Slot& slot = slots_[(thread + probe) % capacity];
            std::uint32_t owner = slot.owner.load(std::memory_order_relaxed);
            if (owner == thread) return &slot;
            if (owner == 0 && slot.owner.compare_exchange_strong(owner, thread, std::memory_order_acq_rel)) {
                slot.net_ns = net_ns_of_this_thread();
                slot.ring.store(1 + rings_.fetch_add(1, std::memory_order_relaxed), std::memory_order_relaxed);
                return &slot;
            }
        }
        return inherit(thread);
    }

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
            inherited->net_ns = net_ns_of_this_thread();
        }
        errno = saved_errno;
        return inherited;
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
    std::atomic<std::uint32_t> rings_{0};
};

}  // namespace lockstep::monitors
