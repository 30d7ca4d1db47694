// Boost.MSM as a stepper, for generated monitors only: a machine is set to a context's state, given one event, and read
// back. So a context is its state number and its registers, never a machine. C++17: MSM 1.74 does not compile as C++20
// with g++ 12.
//
// What is taken for granted of MSM, each probed: process_event answers HANDLED_TRUE only when an edge was taken (a
// guard that said no gives HANDLED_GUARD_REJECT, and no_transition is not called); rows of one state and event are
// tried from the last to the first; state numbers are MSM's own, hence the two tables below.
#pragma once

// MSM 1.74 includes headers of its own time, which say so at every compilation.
#define BOOST_ALLOW_DEPRECATED_HEADERS
#define BOOST_BIND_GLOBAL_PLACEHOLDERS

#include <atomic>
#include <boost/mp11/algorithm.hpp>
#include <boost/mp11/list.hpp>
#include <boost/mp11/mpl.hpp>
#include <boost/msm/back/state_machine.hpp>
#include <boost/msm/front/functor_row.hpp>
#include <boost/msm/front/state_machine_def.hpp>
#include <boost/serialization/base_object.hpp>
#include <cstdint>
#include <type_traits>

namespace lockstep::codegen::msm {

// A state of the automaton, with its number in the model.
template <std::uint16_t number>
struct State : boost::msm::front::state<> {
    static constexpr std::uint16_t id = number;
};

// An event on its way through a machine: what guards and actions see, and which edge was taken.
template <class Event, class At>
struct Taking {
    const Event& event;
    At& at;
    mutable std::uint16_t edge = 0;
};

template <class Edge>
struct Guard {
    template <class Taking, class Machine, class Source, class Target>
    bool operator()(const Taking& taking, Machine&, Source&, Target&) const noexcept {
        return Edge::guard(taking.event, taking.at);
    }
};

template <class Edge>
struct Act {
    template <class Taking, class Machine, class Source, class Target>
    void operator()(const Taking& taking, Machine&, Source&, Target&) const noexcept {
        taking.edge = Edge::id;
        Edge::act(taking.event, taking.at);
    }
};

template <class Source, class Event, class Target, class Edge, class At>
using Row = boost::msm::front::Row<Source, Taking<Event, At>, Target, Act<Edge>,
                                   std::conditional_t<Edge::guarded, Guard<Edge>, boost::msm::front::none>>;

// Edges in the order of the source; MSM tries rows bottom-up, so the table is turned round.
template <class... Rows>
using Table = boost::mp11::mp_reverse<boost::mp11::mp_list<Rows...>>;

// The base of a generated machine: nothing throws, nothing is queued, so an event costs a table look-up.
template <class Derived>
struct Machine : boost::msm::front::state_machine_def<Derived> {
    using no_exception_thrown = int;
    using no_message_queue = int;

    template <class Fsm, class Event>
    void no_transition(const Event&, Fsm&, int) noexcept {}
};

// MSM's own way to restore a saved machine is serialization: this archive holds the one thing that it saves.
struct SavedState {
    int state;
    SavedState& operator&(int (&states)[1]) {
        states[0] = state;
        return *this;
    }
    template <class Other>
    SavedState& operator&(Other&) {
        return *this;
    }
};

// Whether a row is taken by the event only under a guard.
template <class Row, class Event>
using IsGuarded = std::bool_constant<std::is_same_v<typename Row::Evt, Event> &&
                                     !std::is_same_v<typename Row::Guard, boost::msm::front::none>>;

// Step is what the runtime calls a step's outcome: {state, edge}, by default none. States in the order of their
// numbers. At says whether a context remembers more than its state.
template <class FrontEnd, class Step, class... States>
struct Stepper {
    using BackEnd = boost::msm::back::state_machine<FrontEnd>;
    template <class S>
    static constexpr int msm_id = boost::msm::back::get_state_id<typename BackEnd::stt, S>::value;

    template <class Event, class At>
    [[gnu::always_inline]] static Step step(std::uint16_t state, const Event& event, At& at) noexcept {
        if constexpr (decided_by_state<Event, At>) {
            const std::uint64_t answer = answers<Event>[state].load(std::memory_order_relaxed);
            if (__builtin_expect(answer != 0, 1))
                return {static_cast<std::uint16_t>(answer), static_cast<std::uint16_t>(answer >> 16)};
            return ask_once(state, event, at);
        } else {
            return ask(state, event, at);
        }
    }

 private:
    template <class Event, class At>
    static constexpr bool decided_by_state =
        !At::remembers && !boost::mp11::mp_any_of_q<typename FrontEnd::transition_table,
                                                    boost::mp11::mp_bind_back<IsGuarded, Taking<Event, At>>>::value;

    template <class Event, class At>
    static Step ask(std::uint16_t state, const Event& event, At& at) noexcept {
        static constexpr int to_msm[] = {msm_id<States>...};
        BackEnd machine;
        SavedState saved{to_msm[state]};
        machine.serialize(saved, 0);
        const Taking<Event, At> taking{event, at};
        if (machine.process_event(taking) != boost::msm::back::HANDLED_TRUE) return {};
        return {from_msm(machine.current_state()[0]), taking.edge};
    }

    // Where the state alone decides, the machine has one answer a state: it is asked once, and an event goes by the
    // answer. Neither event nor machine then need lie in memory. Threads that ask at once hear the same.
    template <class Event, class At>
    [[gnu::noinline, gnu::cold]] static Step ask_once(std::uint16_t state, Event event, At at) noexcept {
        const Step step = ask(state, event, at);
        answers<Event>[state].store(answered | std::uint64_t{step.edge} << 16 | step.state, std::memory_order_relaxed);
        return step;
    }
    static constexpr std::uint64_t answered = std::uint64_t{1} << 32;
    template <class Event>
    inline static std::atomic<std::uint64_t> answers[sizeof...(States)] = {};

    static std::uint16_t from_msm(int id) {
        static constexpr auto table = [] {
            struct {
                std::uint16_t states[sizeof...(States)];
            } numbers{};
            ((numbers.states[msm_id<States>] = States::id), ...);
            return numbers;
        }();
        return table.states[id];
    }
};

}  // namespace lockstep::codegen::msm
