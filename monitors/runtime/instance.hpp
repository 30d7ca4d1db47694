// One run of a property, as its host sees it through the boundary of the shared object. The compiled property
// implements it by the template of engine.hpp. C++17.
#pragma once

#include <atomic>
#include <cstdint>

#include "monitors/runtime/descriptor.hpp"
#include "monitors/runtime/violation.hpp"

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace lockstep::monitors {

// LTTng-UST waits, when a probe is unregistered, until no thread is inside one; ThreadSanitizer can't see how. These
// two tell it: what a probe did happens before what follows its unregistering. They are nothing in other builds.
inline void tell_sanitizer_probe_left([[maybe_unused]] void* instance) {
#if defined(__SANITIZE_THREAD__)
    __tsan_release(instance);
#endif
}
inline void tell_sanitizer_unregistered([[maybe_unused]] void* instance) {
#if defined(__SANITIZE_THREAD__)
    __tsan_acquire(instance);
#endif
}

// What a context that was not known was in.
inline constexpr std::uint16_t unknown_state = 0xffff;

// The model allowed an event, or an event made a context known.
struct Transition {
    const std::uint64_t* key;  // key_count words
    std::uint32_t step;  // of the context's life, counted from 1, modulo 2^24: their order, whatever the clock says
    std::uint16_t event;
    std::uint16_t from_state;  // unknown_state: the event only began the context
    std::uint16_t to_state;
};

class MonitorInstance {
 public:
    // Runs in the thread that hit the tracepoint, before its next instruction; it must not allocate, lock or throw.
    // It is called twice: with the record, and with null as soon as the record is in the queue (or found it full).
    using InPlace = void (*)(void* data, const ViolationRecord* record);

    virtual ~MonitorInstance() = default;

    virtual Counters counters() const = 0;
    // Adds how often each edge was taken, each event seen (in whatever context), to arrays of edge_count and
    // event_count.
    virtual void add_coverage(std::uint64_t* edges, std::uint64_t* events) const = 0;
    // Calls visit for every context alive; key holds key_count words.
    virtual void visit_contexts(void (*visit)(void* data, const std::uint64_t* key, std::uint16_t state),
                                void* data) = 0;
    // What a string's hash stands for, cut to 47 bytes; null when that is not known. Lives as long as the instance.
    virtual const char* text_of(std::uint64_t hash) const = 0;

    // The next violation's record; false when none waits. One thread at a time.
    virtual bool take_violation(ViolationRecord& record) = 0;

    // Every context is unknown from now on. The first also counts `count` events lost (0: one, for "some").
    virtual void lose(std::uint64_t count) = 0;
    virtual void forget_all() = 0;
    // It is `time_ns` by the events' clock: contexts whose state has an invariant that is over by now are violations.
    virtual void advance(std::uint64_t time_ns) = 0;

    // While paused, probes return at once. From pause() on, is_quiet() becomes true as soon as no thread is inside a
    // probe.
    void pause() { paused_.store(true, std::memory_order_seq_cst); }
    void resume() { paused_.store(false, std::memory_order_release); }
    bool paused() const { return paused_.load(std::memory_order_acquire); }
    virtual bool is_quiet() const = 0;

    // What happens in place on a violation; null: nothing. `data` must outlive every probe.
    void react_in_place(InPlace react, void* data) {
        in_place_data_.store(data, std::memory_order_relaxed);
        in_place_.store(react, std::memory_order_release);
    }

    // Runs after each transition, in the thread that delivered the event, while `*wanted` is not 0; it must not
    // allocate, lock or throw. What is passed outlives every probe. Before the first event.
    using Follow = void (*)(const void* data, const MonitorInstance& instance, const Transition& transition);
    void follow_transitions(const int* wanted, Follow follow, const void* data) {
        follow_data_ = data;
        follow_ = follow;
        transitions_wanted_ = wanted;
    }

 protected:
    bool transitions_wanted() const {
        return __builtin_expect(__atomic_load_n(transitions_wanted_, __ATOMIC_RELAXED), 0) != 0;
    }
    void tell_transition(const Transition& transition) const { follow_(follow_data_, *this, transition); }
    bool reacts_in_place() const { return in_place_.load(std::memory_order_acquire) != nullptr; }
    void run_in_place(const ViolationRecord* record) const {
        if (const InPlace react = in_place_.load(std::memory_order_acquire))
            react(in_place_data_.load(std::memory_order_relaxed), record);
    }

    std::atomic<bool> paused_{false};

 private:
    static constexpr int nobody_ = 0;
    const int* transitions_wanted_ = &nobody_;  // beside paused_, which every probe reads
    Follow follow_ = nullptr;
    const void* follow_data_ = nullptr;
    std::atomic<InPlace> in_place_{nullptr};
    std::atomic<void*> in_place_data_{nullptr};
};

}  // namespace lockstep::monitors
