// The engine that a compiled property instantiates: it finds the context, lets the generated automaton step, and puts
// the result back. Everything that runs in a probe is here or below: no mutex, no allocation, no system call but in the
// first event of a thread, the wait for another thread's step, and a violation. C++17.
//
// The path of an event in a known context is inlined whole, so that its fields stay in registers of the processor:
// passed through memory, they cost more than the automaton.
//
// What the generated Automaton provides: see codegen/emit/README.md, "The generated form".
#pragma once

#include <time.h>
#include <unistd.h>

#include <array>
#include <new>

#include "monitors/runtime/context_table.hpp"
#include "monitors/runtime/instance.hpp"
#include "monitors/runtime/thread_slots.hpp"

namespace lockstep::monitors {

// What an event does to a context whose state is not known.
enum class Start : std::uint8_t { ignored, enter, process };

// What guards and actions see and change besides the event. Without registers that is only where it happened.
template <class Registers, bool has_registers = !std::is_empty_v<Registers>>
struct At {
    static constexpr bool remembers = true;
    Registers& registers;
    BlockPool pool;
    const Origin& origin;
    bool full = false;  // a register found no room: the context is given up
};
template <class Registers>
struct At<Registers, false> {
    static constexpr bool remembers = false;
    const Origin& origin;
};

// What the automaton did: the edge taken, or none.
struct Step {
    static constexpr std::uint16_t no_edge = 0xffff;
    std::uint16_t state = 0;
    std::uint16_t edge = no_edge;
};

template <class Automaton>
class Engine final : public MonitorInstance {
    using Registers = typename Automaton::Registers;
    using Table = ContextTable<Automaton::key_count, Registers>;
    using Found = typename Table::Found;
    using Key = typename Table::Key;
    using Mine = ThreadSlot<Automaton::event_count, Automaton::edge_count>;
    static constexpr bool has_registers = !std::is_empty_v<Registers>;

 public:
    // One event on its way through the monitor: whose slot counts it, where it happened, which tracepoint brought it.
    struct Visit {
        Engine& engine;
        Mine& mine;
        const Origin& origin;
        std::uint32_t binding;
        bool in_process;  // a probe's: the thread is where it happens

        std::uint64_t intern(const char* text) { return engine.strings_.intern(text); }

        template <class Event>
        [[gnu::always_inline]] void take(const Event& event) {
            engine.take(*this, event);
        }
    };

    explicit Engine(const InstanceOptions& options)
        : table_(options.contexts),
          blocks_(has_registers ? options.blocks : 0),
          threads_(options.history_records == 0 ? 0 : ring_count(options), round_up(options.history_records),
                   record_words),
          history_mask_(round_up(options.history_records) - 1),
          clock_(is_precise(options) ? CLOCK_MONOTONIC : CLOCK_MONOTONIC_COARSE),
          told_time_ns_(is_precise(options) || options.told_time_ns == nullptr ? &nobody_tells_
                                                                               : options.told_time_ns) {}

    // A probe's body: handle(Visit&) runs unless the monitor is paused or the thread is inside it already.
    template <class Handle>
    [[gnu::always_inline]] void probe(std::uint32_t binding, Handle handle) {
        const std::uint32_t thread = this_thread();
        enter(thread, [&](Mine& mine) {
            mine.origin.time_ns = now_ns();
            Visit visit{*this, mine, mine.origin, binding, true};
            handle(visit);
        });
        tell_sanitizer_probe_left(this);
    }

    // The same for an event that happened elsewhere.
    template <class Handle>
    void deliver(std::uint32_t binding, const Origin& origin, Handle handle) {
        enter(this_thread(), [&](Mine& mine) {
            Visit visit{*this, mine, origin, binding, false};
            handle(visit);
        });
    }

    Counters counters() const override;
    void add_coverage(std::uint64_t* edges, std::uint64_t* events) const override;
    void visit_contexts(void (*visit)(void*, const std::uint64_t*, std::uint16_t), void* data) override;
    const char* text_of(std::uint64_t hash) const override { return strings_.text_of(hash); }
    bool take_violation(ViolationRecord& record) override { return violations_.pop(record); }
    void lose(std::uint64_t count) override;
    void forget_all() override;
    void advance(std::uint64_t time_ns) override;
    bool is_quiet() const override;

 private:
    static constexpr std::uint32_t place_at = History::header_words + Automaton::max_event_fields;
    static constexpr std::uint32_t record_words = place_at + History::place_words;

    static std::uint64_t round_up(std::uint64_t records) {
        std::uint64_t rounded = 1;
        while (rounded < records) rounded *= 2;
        return rounded;
    }
    // About a million records in all, so that a long history for one reader does not reserve it for a thousand threads.
    static std::uint64_t ring_count(const InstanceOptions& options) {
        const std::uint64_t rings = (std::uint64_t{1} << 20) / round_up(options.history_records);
        return rings < 4 ? 4 : rings;
    }

    static bool is_precise(const InstanceOptions& options) { return options.precise_time || Automaton::uses_time; }

    [[gnu::always_inline]] std::uint64_t now_ns() const {
        const std::uint64_t told = told_time_ns_->load(std::memory_order_relaxed);
        return __builtin_expect(told != 0, 1) ? told : read_clock(clock_);
    }

    static std::uint64_t read_clock(clockid_t clock) {
        timespec now;
        clock_gettime(clock, &now);
        return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
    }

    template <class Handle>
    [[gnu::always_inline]] void enter(std::uint32_t thread, Handle handle) {
        if (__builtin_expect(paused_.load(std::memory_order_acquire), 0)) return;
        Mine* mine = threads_.home(thread);
        if (__builtin_expect(mine->owner.load(std::memory_order_relaxed) != thread, 0)) {
            mine = threads_.search(thread);
            if (mine == nullptr) {
                homeless_.fetch_add(1, std::memory_order_relaxed);
                return;
            }
        }
        if (__builtin_expect(mine->busy.load(std::memory_order_relaxed), 0)) {
            mine->reentrant.add();
            return;
        }
        mine->busy.store(true, std::memory_order_relaxed);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        handle(*mine);
        mine->busy.store(false, std::memory_order_release);
    }

    // Finds the context and steps it. A turn ends without having changed anything when another thread changed the
    // context first.
    template <class Event>
    [[gnu::always_inline]] void take(Visit& visit, const Event& event) {
        const Key key = event.key(visit.origin);
        const std::uint64_t hash = Table::hash(key);
        for (std::uint32_t turn = 0;; ++turn) {
            Found found = table_.find(key, hash);
            if (!found ? begin(event, key, hash, visit.mine, visit.origin, visit.binding, visit.in_process)
                       : go_on(visit, event, key, hash, found, turn))
                return;
        }
    }

    // An unknown context. False when it has become known meanwhile. What is not inlined is given copies, and the parts
    // of the visit: on the path of a known context they then need not lie in memory.
    template <class Event>
    [[gnu::noinline]] bool begin(Event event, Key key, std::uint64_t hash, Mine& mine, const Origin& origin,
                                 std::uint32_t binding, bool in_process) {
        Visit visit{*this, mine, origin, binding, in_process};
        if constexpr (Event::start == Start::ignored) {
            visit.mine.ignored[Event::id].add();
            return true;
        } else if constexpr (Event::start == Start::process && has_registers) {
            Found found;
            if (const auto refused = insert(visit, event, key, hash, Event::start_state, true, found)) return *refused;
            visit.mine.created.add();
            new (&found.slot->registers) Registers();
            step_locked(visit, event, key, hash, found);
            return true;
        } else {
            return begin_at_once(visit, event, key, hash);
        }
    }

    // The context appears in the state after its first event: nobody sees it half started.
    template <class Event>
    [[gnu::noinline]] bool begin_at_once(Visit& visit, const Event& event, const Key& key, std::uint64_t hash) {
        Step step{Event::start_state, Step::no_edge};
        if constexpr (Event::start == Start::process) {
            At<Registers> at{visit.origin};
            step = Automaton::step(Event::start_state, event, at);
            if (step.edge == Step::no_edge) {
                reject(visit, event, key, Event::start_state, Found{}, Control{});
                return true;
            }
        }
        if (!removes(step.state, nullptr)) {
            Found found;
            if (const auto refused = insert(visit, event, key, hash, step.state, has_registers, found)) return *refused;
            remember(visit, event, found, found.control.unlocked(), Event::start_state);
            if constexpr (has_registers) {
                new (&found.slot->registers) Registers();
                unlock(visit, hash, found, found.control.unlocked());
            }
        } else {
            visit.mine.reclaimed.add();
        }
        visit.mine.created.add();
        count(visit, event, step);
        tell_follower(event, key, 1, step.edge == Step::no_edge ? unknown_state : Event::start_state, step.state);
        return true;
    }

    // Nothing: inserted. True: refused for good, and counted. False: look again.
    struct Refused {
        bool refused = false;
        bool for_good = false;
        explicit operator bool() const { return refused; }
        bool operator*() const { return for_good; }
    };

    template <class Event>
    Refused insert(Visit& visit, const Event&, const Key& key, std::uint64_t hash, std::uint16_t state, bool locked,
                   Found& found) {
        using Insertion = typename Table::Insertion;
        const bool counts_as_step = !(locked && Event::start == Start::process);
        const Insertion result = table_.insert(key, hash, state, locked, counts_as_step, found);
        if (result == Insertion::done) return {};
        if (result == Insertion::exists) return {true, false};
        (result == Insertion::full ? visit.mine.table_full : visit.mine.contended).add();
        visit.mine.rejected[Event::id].add();
        return {true, true};
    }

    // A known context. False when it has changed meanwhile.
    template <class Event>
    [[gnu::always_inline]] bool go_on(Visit& visit, const Event& event, const Key& key, std::uint64_t hash,
                                      Found& found, std::uint32_t turn) {
        if constexpr (has_registers) {
            if (found.control.locked()) return !Table::wait_a_little(turn) && give_up_waiting(visit.mine, event, found);
            if (!Table::swap(found, found.control.with_lock())) return false;
            if (__builtin_expect(Table::is_doomed(found), 0)) {
                remove(hash, found, &visit.mine.blocks);
                return false;
            }
            if (expired(visit.mine, visit.origin, key, hash, found)) return false;
            step_locked(visit, event, key, hash, found);
            return true;
        } else {
            return step_by_swap(visit, event, key, hash, found);
        }
    }

    template <class Event>
    [[gnu::always_inline]] bool step_by_swap(Visit& visit, const Event& event, const Key& key, std::uint64_t hash,
                                             Found& found) {
        At<Registers> at{visit.origin};
        const std::uint16_t from = found.control.state();
        const std::uint32_t steps = found.control.steps();
        const Step step = Automaton::step(from, event, at);
        if (__builtin_expect(step.edge == Step::no_edge, 0)) {
            const Control before = found.control;
            if (!Table::swap(found, found.control.with_status(Control::busy))) return false;
            reject(visit, event, key, from, found, before);
            bury(hash, found, &visit.mine.blocks);
            return true;
        }
        if (removes(step.state, nullptr)) {
            if (!Table::swap(found, found.control.with_status(Control::busy))) return false;
            bury(hash, found, &visit.mine.blocks);
            visit.mine.reclaimed.add();
        } else {
            if (!Table::swap(found, found.control.stepped(step.state))) return false;
            remember(visit, event, found, found.control, from);
        }
        count(visit, event, step);
        tell_follower(event, key, steps + 1, from, step.state);
        return true;
    }

    // The caller holds the entry's lock; it is given back, or the entry is gone.
    template <class Event>
    [[gnu::always_inline]] void step_locked(Visit& visit, const Event& event, const Key& key, std::uint64_t hash,
                                            Found& found) {
        if constexpr (has_registers) {
            Registers& registers = found.slot->registers;
            At<Registers> at{registers, BlockPool(blocks_, &visit.mine.blocks), visit.origin};
            const std::uint16_t from = found.control.state();
            const std::uint32_t steps = found.control.steps();
            const Step step = Automaton::step(from, event, at);
            if (step.edge == Step::no_edge) {
                reject(visit, event, key, from, found, found.control);
                remove(hash, found, &visit.mine.blocks);
                return;
            }
            count(visit, event, step);
            if (at.full || !Automaton::fits(registers)) {
                visit.mine.register_full.add();
                remove(hash, found, &visit.mine.blocks);
                return;
            }
            if (removes(step.state, &registers)) {
                visit.mine.reclaimed.add();
                remove(hash, found, &visit.mine.blocks);
            } else {
                const Control after = found.control.stepped(step.state);
                remember(visit, event, found, after, from);
                unlock(visit, hash, found, after);
            }
            tell_follower(event, key, steps + 1, from, step.state);
        }
    }

    // An invariant's time is over: a violation of its own, whatever event found it out; the context is then unknown to
    // that event. The caller holds the entry's lock.
    [[gnu::always_inline]] bool expired(Mine& mine, const Origin& origin, const Key& key, std::uint64_t hash,
                                        Found& found) {
        if constexpr (Automaton::has_invariants) {
            const At<Registers> at{found.slot->registers, BlockPool(blocks_, &mine.blocks), origin};
            if (Automaton::invariants_hold(found.control.state(), at)) return false;
            tell(mine, [&](ViolationRecord& record) {
                record.event = no_event;
                describe(record, origin, key, found.control.state(), found, found.control);
            });
            remove(hash, found, &mine.blocks);
            return true;
        }
        return false;
    }

    [[gnu::always_inline]] void unlock(Visit& visit, std::uint64_t hash, Found& found, Control after) {
        if (__builtin_expect(Table::is_doomed(found), 0))
            remove(hash, found, &visit.mine.blocks);
        else
            Table::store(found, after);
    }

    // The caller holds the entry's lock.
    [[gnu::noinline]] void remove(std::uint64_t hash, Found found, BlockCache* cache) {
        Table::store(found, found.control.with_status(Control::busy));
        bury(hash, found, cache);
    }

    // The entry is busy, and the caller's. `cache`: of the calling thread; null outside a probe.
    void bury(std::uint64_t hash, Found found, BlockCache* cache) {
        if constexpr (has_registers) {
            BlockPool pool(blocks_, cache);
            Automaton::clear(found.slot->registers, pool);
        }
        table_.release(found, hash);
    }

    // Another thread has kept the context locked for 100 ms: whoever holds it removes it, for its state is no longer
    // sound.
    template <class Event>
    [[gnu::noinline]] bool give_up_waiting(Mine& mine, const Event&, Found found) {
        Table::doom(found);
        mine.contended.add();
        mine.rejected[Event::id].add();
        return true;
    }

    static bool removes(std::uint16_t state, const Registers* registers) {
        return Automaton::ends(state) ||
               (Automaton::reclaimable(state) && (registers == nullptr || Automaton::is_initial(*registers)));
    }

    template <class Event>
    void count(Visit& visit, const Event&, const Step& step) {
        if (step.edge == Step::no_edge)
            visit.mine.entered[Event::id].add();
        else
            visit.mine.taken[step.edge].add();
    }

    template <class Event>
    [[gnu::always_inline]] void remember(Visit& visit, const Event& event, const Found& found, Control after,
                                         std::uint16_t from) {
        History::Word* const ring = visit.mine.history.load(std::memory_order_relaxed);
        if (ring == nullptr) return;
        const std::uint64_t head = visit.mine.history_head.load(std::memory_order_relaxed);
        History::Word* const record = ring + (head & history_mask_) * record_words;
        const std::uint64_t mark = visit.in_process ? 0 : History::tells_origin;
        History::write(record, table_.index_of(found.slot), from, Event::id, after.word | mark, visit.origin.time_ns,
                       event.words());
        if (!visit.in_process)
            for (std::uint32_t i = 0; i < History::place_words; ++i)
                record[place_at + i].store(History::place(visit.origin, i), std::memory_order_relaxed);
        visit.mine.history_head.store(head + 1, std::memory_order_release);
    }

    // The context is free again: a tracer that takes its time keeps no other thread from it.
    template <class Event>
    [[gnu::always_inline]] void tell_follower(const Event&, const Key& key, std::uint32_t step, std::uint16_t from,
                                              std::uint16_t to) const {
        if (transitions_wanted()) tell_follower_of(Event::id, key, step, from, to);
    }
    [[gnu::noinline, gnu::cold]] void tell_follower_of(std::uint16_t event, Key key, std::uint32_t step,
                                                       std::uint16_t from, std::uint16_t to) const {
        tell_transition({key.data(), step & 0xffffff, event, from, to});
    }

    template <class Event>
    [[gnu::always_inline]] void reject(const Visit& visit, const Event& event, const Key& key, std::uint16_t state,
                                       const Found& found, Control before) {
        reject_at(event, key, state, found, before, visit.mine, visit.origin, visit.binding, visit.in_process);
    }
    template <class Event>
    [[gnu::noinline, gnu::cold]] void reject_at(Event event, Key key, std::uint16_t state, Found found, Control before,
                                                Mine& mine, const Origin& origin, std::uint32_t binding,
                                                bool in_process);

    template <class Describe>
    void tell(Mine& mine, Describe describe);
    void describe(ViolationRecord& record, const Origin& origin, const Key& key, std::uint16_t state,
                  const Found& found, Control before);
    void tell_history(const Mine& mine, ViolationRecord& record, const Found& found, Control before);

    Table table_;
    BlockStore blocks_;
    StringTable strings_;
    ThreadSlots<Mine> threads_;
    ViolationQueue violations_;
    ViolationRecord spare_;  // for what must react in place although the queue is full
    std::atomic<bool> spare_busy_{false};
    const std::uint64_t history_mask_;
    const clockid_t clock_;
    static constexpr std::atomic<std::uint64_t> nobody_tells_{0};
    const std::atomic<std::uint64_t>* const told_time_ns_;
    std::atomic<std::uint64_t> lost_{0};
    std::atomic<std::uint64_t> homeless_{0};  // events of threads that found no slot
};

}  // namespace lockstep::monitors

#include "monitors/runtime/engine_reports.hpp"
