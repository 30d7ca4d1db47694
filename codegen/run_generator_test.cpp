// Made-up runs: they are what they say they are, and they reach what can be reached.
#include "codegen/run_generator.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "codegen/model_for_test.hpp"

namespace lockstep::codegen {
namespace {

// Runs each again and collects what the last hits did.
struct Reached {
    std::set<std::uint32_t> edges;
    std::set<ForbiddenEvent> violations;
};

Reached replay(const Model& model, const GeneratedRuns& generated) {
    Reached reached;
    for (const GeneratedRun& run : generated.runs) {
        Interpreter interpreter(model);
        for (std::size_t i = 0; i < run.hits.size(); ++i) {
            deliver(model, run.hits[i], interpreter);
            const bool last = i + 1 == run.hits.size();
            EXPECT_EQ(interpreter.violations().size(), last && run.violated ? 1U : 0U) << run.text;
        }
        if (run.violated && !interpreter.violations().empty())
            reached.violations.insert({interpreter.violations()[0].state, interpreter.violations()[0].event});
        else if (interpreter.last_edge())
            reached.edges.insert(*interpreter.last_edge());
    }
    return reached;
}

TEST(RunGenerator, TakesEveryEdgeAndMeetsEveryForbiddenEvent) {
    const Model model =
        model_of(graph("per door_id\nopen = door:opened when floor != -7\nclose = door:closed\n"
                       "shut = door:opened when floor == -7\ninside: set of who\n",
                       "idle [shape=doublecircle]; idle -> used [label=\"shut; start; insert(inside, who)\"];"
                       "used -> used [label=\"shut; !(who in inside) && mode == 4; insert(inside, who)\"];"
                       "used -> idle [label=\"close; who in inside && size(inside) == 2; clear(inside)\"];"
                       "used -> used [label=\"open; door_id == 1 && mode == 200\"];"));
    const GeneratedRuns generated = generate_runs(model);
    const Reached reached = replay(model, generated);
    EXPECT_EQ(reached.edges.size(), model.edges.size());
    EXPECT_TRUE(generated.missed_edges.empty() && generated.missed_forbidden.empty());
    EXPECT_EQ(generated.forbidden, 2U);  // in idle: open and close
    for (const ForbiddenEvent& refused : {ForbiddenEvent{1, 0}, ForbiddenEvent{1, 1}, ForbiddenEvent{1, 2}})
        EXPECT_TRUE(reached.violations.contains(refused)) << refused.event;
}

TEST(RunGenerator, LetsTheTimeOfAnInvariantRunOut) {
    const Model model =
        model_of(graph(door_note + "age: clock\n",
                       "idle [shape=doublecircle]; late [shape=doublecircle];"
                       "open [label=\"open\\nage < 30s\"]; idle -> open [label=\"open; start; reset(age)\"];"
                       "open -> idle [label=\"close; age < 10s\"]; open -> late [label=\"close; age >= 10s\"];"));
    const GeneratedRuns generated = generate_runs(model);
    EXPECT_TRUE(generated.missed_edges.empty() && generated.missed_forbidden.empty());
    const auto open =
        static_cast<std::uint32_t>(std::ranges::find(model.states, "open", &State::name) - model.states.begin());
    EXPECT_TRUE(replay(model, generated).violations.contains({open, no_event}));
}

TEST(RunGenerator, TellsWhatItDidNotReach) {
    const Model model = model_of(
        graph(door_note + "n: unsigned\n",
              "idle [shape=doublecircle]; idle -> idle [label=\"open; start; n += 1\"]; idle -> idle [label=\"close; n "
              "< 4000000\"];"
              "idle -> far [label=\"close; n >= 4000000\"]; far -> far [label=\"open\"]; far [shape=doublecircle];"));
    const GeneratedRuns generated = generate_runs(model);
    EXPECT_EQ(generated.missed_edges.size(), 2U);
    EXPECT_EQ(generated.missed_forbidden.size(), 1U);
}

TEST(RunGenerator, ABareAutomatonGetsMadeUpTracepoints) {
    const Model bare = model_of(
        "digraph state_automaton { __init_a [shape=point]; __init_a -> a; a [shape=doublecircle];"
        "a -> b [label=go]; b -> a [label=back]; b -> b [label=stay]; }");
    const Model model = with_made_up_bindings(bare);
    ASSERT_EQ(model.bindings.size(), 3U);
    const GeneratedRuns generated = generate_runs(model);
    EXPECT_EQ(generated.forbidden, 3U);
    EXPECT_TRUE(generated.missed_edges.empty() && generated.missed_forbidden.empty());
    EXPECT_EQ(replay(model, generated).violations.size(), 3U);
}

TEST(RunGenerator, AParameterWithoutAValueIsNamed) {
    const Model model = model_of(
        "digraph state_automaton { __init_a [shape=point]; __init_a -> a; a -> b [label=\"go;reset(clk)\"];"
        "b -> a [label=\"back;clk < LIMIT\"]; }");
    EXPECT_THROW(generate_runs(with_made_up_bindings(model)), std::invalid_argument);
}

}  // namespace
}  // namespace lockstep::codegen
