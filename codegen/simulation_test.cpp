#include "codegen/simulation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codegen/model_for_test.hpp"

namespace lockstep::codegen {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Simulation door() {
    auto reading = read_model(graph("per door_id\\lopen = door:opened\\lclose = door:closed\\lseen: set of who\\l",
                                    "idle -> ajar [label=\"open; start; insert(seen, who)\"];\n"
                                    "ajar -> idle [label=\"close; who in seen\"];\n"),
                              "door.dot", test_tracepoints());
    EXPECT_TRUE(reading.model);
    return Simulation(*reading.model);
}

std::vector<ShownStep> take(Simulation& simulation, const std::string& text) {
    std::vector<Diagnostic> diagnostics;
    auto steps = simulation.take(text, diagnostics);
    EXPECT_THAT(diagnostics, IsEmpty());
    return steps;
}

TEST(Simulation, AStepSaysWhatItDidAndWhatMayComeNext) {
    Simulation simulation = door();
    const auto steps = take(simulation, "open(door_id=1, who=ann)");
    ASSERT_EQ(steps.size(), 1u);
    EXPECT_EQ(steps[0].outcome, Outcome::moved);
    EXPECT_EQ(steps[0].key, "door_id=1");
    EXPECT_EQ(steps[0].from, "");
    EXPECT_EQ(steps[0].to, "ajar");
    EXPECT_THAT(steps[0].edge, HasSubstr("open"));
    const auto contexts = simulation.contexts();
    ASSERT_EQ(contexts.size(), 1u);
    EXPECT_EQ(contexts[0].registers[0].second, "{ann}");
    EXPECT_THAT(contexts[0].possible, ElementsAre("close [who in seen]"));
}

TEST(Simulation, AViolationIsToldAndTheContextIsForgotten) {
    Simulation simulation = door();
    const auto steps = take(simulation, "open(door_id=1, who=ann) close(door_id=1, who=bob)");
    ASSERT_EQ(steps.size(), 2u);
    EXPECT_EQ(steps[1].outcome, Outcome::violation);
    EXPECT_EQ(steps[1].from, "ajar");
    EXPECT_EQ(steps[1].edge, "");
    EXPECT_THAT(steps[1].violations, ElementsAre(HasSubstr("in state `ajar` of door_id=1")));
    EXPECT_THAT(simulation.contexts(), IsEmpty());
}

TEST(Simulation, UndoGoesBackAsFarAsThereWereSteps) {
    Simulation simulation = door();
    take(simulation, "open(door_id=1, who=ann) open(door_id=2, who=bob)");
    EXPECT_FALSE(simulation.undo(3));
    EXPECT_EQ(simulation.contexts().size(), 2u);
    EXPECT_TRUE(simulation.undo(1));
    EXPECT_EQ(simulation.contexts().size(), 1u);
    EXPECT_TRUE(simulation.undo(1));
    EXPECT_THAT(simulation.contexts(), IsEmpty());
    EXPECT_FALSE(simulation.undo(1));
}

TEST(Simulation, WhatCannotBeReadTakesNothing) {
    Simulation simulation = door();
    std::vector<Diagnostic> diagnostics;
    EXPECT_THAT(simulation.take("open(door_id=1) opem(door_id=2)", diagnostics), IsEmpty());
    ASSERT_EQ(diagnostics.size(), 1u);
    EXPECT_THAT(diagnostics[0].message, HasSubstr("`opem`"));
    EXPECT_EQ(diagnostics[0].position.column, 17u);
    EXPECT_THAT(simulation.contexts(), IsEmpty());
}

TEST(Simulation, TimeAloneFiresAnInvariant) {
    auto reading = read_model(graph("per door_id\\lopen = door:opened\\lclose = door:closed\\lage: clock\\l",
                                    "idle -> ajar [label=\"open; start; reset(age)\"];\n"
                                    "ajar -> idle [label=\"close\"];\n"
                                    "ajar [label=\"ajar\\nage < 5ms\"];\n"),
                              "door.dot", test_tracepoints());
    ASSERT_TRUE(reading.model);
    Simulation simulation(*reading.model);
    take(simulation, "open(door_id=1, who=ann)");
    EXPECT_THAT(take(simulation, "@4ms")[0].violations, IsEmpty());
    EXPECT_EQ(take(simulation, "@6ms")[0].violations.size(), 1u);
}

}  // namespace
}  // namespace lockstep::codegen
