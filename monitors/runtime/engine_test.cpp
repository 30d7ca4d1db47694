// The engine under two hand-made automata, small enough to foresee every count: a lock that is free or held, and a
// session that collects values. What compiled properties do is tested in codegen/emit/.
#include "monitors/runtime/engine.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace lockstep::monitors {
namespace {

struct NoRegisters {};

// free -take-> held -give-> free; `take` starts an unknown lock as free; free is final and may be forgotten.
struct Lock {
    using Registers = NoRegisters;
    static constexpr std::uint32_t event_count = 2, edge_count = 2, key_count = 1, max_event_fields = 1;
    static constexpr bool uses_time = false, has_invariants = false;
    enum State : std::uint16_t { free, held };

    struct Event {
        std::uint64_t lock;
        std::array<std::uint64_t, 1> key(const Origin&) const { return {lock}; }
        std::array<std::uint64_t, 1> words() const { return {lock}; }
    };
    struct Take : Event {
        static constexpr std::uint16_t id = 0, start_state = free;
        static constexpr Start start = Start::process;
    };
    struct Give : Event {
        static constexpr std::uint16_t id = 1, start_state = 0;
        static constexpr Start start = Start::ignored;
    };

    static Step step(std::uint16_t state, const Take&, At<Registers>&) {
        return state == free ? Step{held, 0} : Step{};
    }
    static Step step(std::uint16_t state, const Give&, At<Registers>&) {
        return state == held ? Step{free, 1} : Step{};
    }
    static bool ends(std::uint16_t) { return false; }
    static bool reclaimable(std::uint16_t state) { return state == free; }
    static bool is_final(std::uint16_t state) { return state == free; }
    static bool is_initial(const Registers&) { return true; }
    static std::uint32_t event_of_edge(std::uint32_t edge) { return edge; }
};

// open -add-> open; close ends it. `open` starts without being processed; the set holds 20 values.
struct Session {
    struct Registers {
        Set<20> values;
        std::uint64_t total = 0;
    };
    static constexpr std::uint32_t event_count = 3, edge_count = 2, key_count = 1, max_event_fields = 2;
    static constexpr bool uses_time = false, has_invariants = false;
    enum State : std::uint16_t { opened, closed };

    struct Event {
        std::uint64_t session, value = 0;
        std::array<std::uint64_t, 1> key(const Origin&) const { return {session}; }
        std::array<std::uint64_t, 2> words() const { return {session, value}; }
    };
    struct Open : Event {
        static constexpr std::uint16_t id = 0, start_state = opened;
        static constexpr Start start = Start::enter;
    };
    struct Add : Event {
        static constexpr std::uint16_t id = 1, start_state = 0;
        static constexpr Start start = Start::ignored;
    };
    struct Close : Event {
        static constexpr std::uint16_t id = 2, start_state = 0;
        static constexpr Start start = Start::ignored;
    };

    static Step step(std::uint16_t, const Open&, At<Registers>&) { return {}; }
    static Step step(std::uint16_t state, const Add& event, At<Registers>& at) {
        if (state != opened) return {};
        ++at.registers.total;
        at.full = !at.registers.values.insert(at.pool, event.value);
        return {opened, 0};
    }
    static Step step(std::uint16_t state, const Close&, At<Registers>&) {
        return state == opened ? Step{closed, 1} : Step{};
    }
    static bool ends(std::uint16_t state) { return state == closed; }
    static bool reclaimable(std::uint16_t) { return false; }
    static bool is_final(std::uint16_t state) { return state == closed; }
    static bool is_initial(const Registers& registers) { return registers.total == 0; }
    static bool fits(const Registers& registers) { return registers.values.fits(); }
    static void clear(Registers& registers, BlockPool& pool) { registers.values.clear(pool); }
    static void dump(const Registers& registers, BlockPool& pool, std::uint64_t, RegisterDump& dump) {
        dump.entries(registers.values, pool);
        dump.value(registers.total);
    }
    static std::uint32_t event_of_edge(std::uint32_t edge) { return edge + 1; }
};

template <class Automaton, class Event>
void fire(Engine<Automaton>& engine, const Event& event) {
    engine.probe(0, [&event](auto& visit) { visit.take(event); });
}

InstanceOptions small() {
    InstanceOptions options;
    options.contexts = 64;
    options.blocks = 64;
    options.history_records = 64;
    return options;
}

TEST(Engine, AContextIsCreatedStepsAndIsReclaimed) {
    Engine<Lock> engine(small());
    fire(engine, Lock::Take{{7}});
    EXPECT_EQ(1u, engine.counters().contexts_pending);
    fire(engine, Lock::Give{{7}});
    const Counters counters = engine.counters();
    EXPECT_EQ(2u, counters.events);
    EXPECT_EQ(1u, counters.contexts_created);
    EXPECT_EQ(1u, counters.contexts_reclaimed);
    EXPECT_EQ(0u, counters.contexts_alive);
    EXPECT_EQ(0u, counters.violations);
}

TEST(Engine, AnUnknownContextIgnoresEventsUntilItsStart) {
    Engine<Lock> engine(small());
    fire(engine, Lock::Give{{7}});
    fire(engine, Lock::Take{{7}});
    EXPECT_EQ(1u, engine.counters().ignored_unknown);
    EXPECT_EQ(0u, engine.counters().violations);
}

TEST(Engine, AViolationIsToldOnceWithItsHistoryAndForgetsTheContext) {
    Engine<Lock> engine(small());
    fire(engine, Lock::Take{{3}});
    fire(engine, Lock::Take{{7}});
    fire(engine, Lock::Take{{7}});
    fire(engine, Lock::Give{{7}});
    EXPECT_EQ(1u, engine.counters().violations);
    EXPECT_EQ(1u, engine.counters().ignored_unknown) << "the context waits for its next start";

    const auto record = std::make_unique<ViolationRecord>();
    ASSERT_TRUE(engine.take_violation(*record));
    EXPECT_EQ(7u, record->key[0]);
    EXPECT_EQ(Lock::held, record->state);
    EXPECT_EQ(Lock::Take::id, record->event);
    ASSERT_EQ(1u, record->history_count);
    EXPECT_EQ(Lock::free, record->history[0].from_state);
    EXPECT_EQ(7u, record->history[0].fields[0]);
    EXPECT_EQ(0u, record->history_omitted);
    EXPECT_FALSE(engine.take_violation(*record));
}

TEST(Engine, HistoryIsTheContextsLastEventsInTheirOrderWhateverThreadTookThem) {
    InstanceOptions options = small();
    Engine<Session> engine(options);
    fire(engine, Session::Open{{1}});
    for (std::uint64_t value = 0; value < 19; ++value)
        std::thread([&] { fire(engine, Session::Add{{1, value}}); }).join();
    for (std::uint64_t value = 0; value < 11; ++value) fire(engine, Session::Add{{1, value}});
    fire(engine, Session::Open{{1}});

    const auto record = std::make_unique<ViolationRecord>();
    ASSERT_TRUE(engine.take_violation(*record));
    ASSERT_EQ(reported_history, record->history_count);
    EXPECT_EQ(31u - reported_history, record->history_omitted);
    for (std::uint32_t i = 0; i < reported_history; ++i) {
        const std::uint32_t event = 31 - reported_history + i;  // the first is Open
        EXPECT_EQ(event <= 19 ? event - 1 : event - 20, record->history[i].fields[1]) << i;
    }
    EXPECT_EQ(19u, record->registers[0]) << "the set, as it was";
}

TEST(Engine, AProbeTakesTheTimeThatItIsToldAndAViolationHasItsOwn) {
    std::atomic<std::uint64_t> told_ns{5};
    InstanceOptions options = small();
    options.told_time_ns = &told_ns;
    Engine<Lock> engine(options);
    fire(engine, Lock::Take{{7}});
    fire(engine, Lock::Take{{7}});
    told_ns = 0;
    fire(engine, Lock::Take{{8}});
    fire(engine, Lock::Take{{8}});

    const auto record = std::make_unique<ViolationRecord>();
    ASSERT_TRUE(engine.take_violation(*record));
    EXPECT_EQ(5u, record->history[0].origin.time_ns);
    const std::uint64_t violated_ns = record->origin.time_ns;
    EXPECT_LT(5u, violated_ns);
    ASSERT_TRUE(engine.take_violation(*record));
    EXPECT_LT(5u, record->history[0].origin.time_ns);
    EXPECT_LE(violated_ns, record->origin.time_ns);
}

TEST(Engine, HistorySaysWhereEachEventHappenedInTheProcessOrElsewhere) {
    Engine<Lock> engine(small());
    fire(engine, Lock::Take{{7}});
    fire(engine, Lock::Take{{7}});
    const Origin elsewhere{17, 4026531840, 11, 12, 3};
    const auto deliver = [&](std::uint64_t lock) {
        engine.deliver(0, elsewhere, [lock](auto& visit) { visit.take(Lock::Take{{lock}}); });
    };
    deliver(8), deliver(8);

    const auto record = std::make_unique<ViolationRecord>();
    ASSERT_TRUE(engine.take_violation(*record));
    EXPECT_EQ(static_cast<std::uint32_t>(getpid()), record->history[0].origin.vpid);
    EXPECT_EQ(this_thread(), record->history[0].origin.vtid);
    EXPECT_EQ(record->origin.net_ns, record->history[0].origin.net_ns);
    ASSERT_TRUE(engine.take_violation(*record));
    EXPECT_EQ(17u, record->history[0].origin.time_ns);
    EXPECT_EQ(4026531840u, record->history[0].origin.net_ns);
    EXPECT_EQ(11u, record->history[0].origin.vpid);
    EXPECT_EQ(12u, record->history[0].origin.vtid);
    EXPECT_EQ(3u, record->history[0].origin.cpu);
}

TEST(Engine, WhoInheritsADeadThreadsSlotDoesNotInheritItsEvents) {
    InstanceOptions options = small();
    options.contexts = 4096;
    Engine<Lock> engine(options);
    // The heir gets the first slot whose thread is dead: the taker shall have that one.
    std::uint32_t taker = 0;
    const auto take = [&] {
        if (this_thread() % 1024 == 0) taker = this_thread(), fire(engine, Lock::Take{{7}});
    };
    while (taker == 0) std::thread(take).join();
    for (std::uint64_t other = 0; other < 1030; ++other)
        std::thread([&] { fire(engine, Lock::Take{{100 + other}}); }).join();
    fire(engine, Lock::Take{{7}});

    const auto record = std::make_unique<ViolationRecord>();
    ASSERT_TRUE(engine.take_violation(*record));
    EXPECT_EQ(0u, record->history_count) << "of thread " << record->history[0].origin.vtid << ", not " << taker;
    EXPECT_EQ(1u, record->history_omitted);
}

TEST(Engine, ARegisterWithoutRoomGivesTheContextUpAndSaysSo) {
    Engine<Session> engine(small());
    fire(engine, Session::Open{{1}});
    for (std::uint64_t value = 0; value < 25; ++value) fire(engine, Session::Add{{1, value}});
    const Counters counters = engine.counters();
    EXPECT_EQ(1u, counters.register_full);
    EXPECT_EQ(0u, counters.violations);
    EXPECT_EQ(4u, counters.ignored_unknown);
    EXPECT_EQ(0u, counters.contexts_alive);
}

TEST(Engine, AFullTableRefusesNewContextsAndCountsThem) {
    InstanceOptions options = small();
    options.contexts = 1;
    Engine<Lock> engine(options);
    for (std::uint64_t lock = 0; lock < 2000; ++lock) fire(engine, Lock::Take{{lock}});
    const Counters counters = engine.counters();
    EXPECT_EQ(2000u, counters.table_full + counters.contexts_created);
    EXPECT_GT(counters.table_full, 1500u);
    EXPECT_EQ(2000u, counters.events);
}

TEST(Engine, LossForgetsEveryContextAndIsCounted) {
    Engine<Session> engine(small());
    for (std::uint64_t session = 0; session < 10; ++session) {
        fire(engine, Session::Open{{session}});
        fire(engine, Session::Add{{session, 1}});
    }
    engine.lose(3);
    EXPECT_EQ(3u, engine.counters().lost);
    EXPECT_EQ(0u, engine.counters().contexts_alive);
    fire(engine, Session::Open{{4}});
    EXPECT_EQ(1u, engine.counters().contexts_alive) << "and it can start again";
}

TEST(Engine, AnEventInsideAProbeOfTheSameThreadIsCountedNotTaken) {
    Engine<Lock> engine(small());
    engine.probe(0, [&engine](auto& visit) {
        fire(engine, Lock::Take{{2}});
        visit.take(Lock::Take{{1}});
    });
    EXPECT_EQ(1u, engine.counters().reentrant);
    EXPECT_EQ(1u, engine.counters().contexts_alive);
}

TEST(Engine, APausedMonitorTakesNothingAndIsQuietWhenTheLastProbeHasLeft) {
    Engine<Lock> engine(small());
    engine.probe(0, [&engine](auto& visit) {
        engine.pause();
        EXPECT_FALSE(engine.is_quiet());
        visit.take(Lock::Take{{1}});
    });
    EXPECT_TRUE(engine.is_quiet());
    fire(engine, Lock::Take{{2}});
    EXPECT_EQ(1u, engine.counters().events);
}

TEST(Engine, InPlaceReactionIsToldEvenWhenTheQueueIsFull) {
    Engine<Lock> engine(small());
    int told = 0;
    engine.react_in_place(
        [](void* data, const ViolationRecord* record) { *static_cast<int*>(data) += record != nullptr ? 1 : 0; },
        &told);
    const int violations = ViolationQueue::capacity + 10;
    for (int i = 0; i < violations; ++i) {
        fire(engine, Lock::Take{{1}});
        fire(engine, Lock::Take{{1}});
    }
    EXPECT_EQ(violations, told);
    EXPECT_EQ(10u, engine.counters().reports_dropped);
}

// Locks are handed over under a mutex, as tracepoints inside critical sections are: no order but the true one may be
// seen.
TEST(Engine, ThreadsThatPassLocksAroundUnderAMutexCauseNoViolation) {
    constexpr int locks = 4, threads = 4, rounds = 8'000;
    Engine<Lock> engine(small());
    Engine<Session> sessions(small());
    std::array<std::mutex, locks> mutexes;
    std::vector<std::thread> running;
    for (int t = 0; t < threads; ++t)
        running.emplace_back([&, t] {
            for (int i = 0; i < rounds; ++i) {
                const std::uint64_t lock = (i * 7 + t) % locks;
                const std::lock_guard hold(mutexes[lock]);
                fire(engine, Lock::Take{{lock}});
                fire(sessions, Session::Open{{lock}});
                fire(sessions, Session::Add{{lock, 5}});
                fire(sessions, Session::Close{{lock}});
                fire(engine, Lock::Give{{lock}});
            }
        });
    for (auto& thread : running) thread.join();
    EXPECT_EQ(0u, engine.counters().violations);
    EXPECT_EQ(threads * rounds * 2u, engine.counters().events);
    EXPECT_EQ(engine.counters().contexts_created, engine.counters().contexts_reclaimed);
    EXPECT_EQ(0u, sessions.counters().violations);
    EXPECT_EQ(threads * rounds * 3u, sessions.counters().events);
    EXPECT_EQ(0u, sessions.counters().contexts_alive);
}

// Without a mutex the order is anybody's, but nothing may be counted twice or get lost.
TEST(Engine, ThreadsThatRaceOnOneContextLoseNoEvent) {
    constexpr int threads = 4, rounds = 10'000;
    Engine<Session> engine(small());
    std::vector<std::thread> running;
    for (int t = 0; t < threads; ++t)
        running.emplace_back([&] {
            for (int i = 0; i < rounds; ++i) {
                fire(engine, Session::Open{{1}});
                fire(engine, Session::Add{{1, static_cast<std::uint64_t>(i)}});
            }
        });
    std::thread forgetting([&] {
        for (int i = 0; i < 50; ++i) {
            engine.forget_all();
            std::this_thread::yield();
        }
    });
    for (auto& thread : running) thread.join();
    forgetting.join();
    EXPECT_EQ(threads * rounds * 2u, engine.counters().events);
    engine.forget_all();
    EXPECT_EQ(0u, engine.counters().contexts_alive);
}

}  // namespace
}  // namespace lockstep::monitors
