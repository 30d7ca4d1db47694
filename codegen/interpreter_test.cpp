#include "codegen/interpreter.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "codegen/examples.hpp"
#include "codegen/model_for_test.hpp"

namespace lockstep::codegen {
namespace {

// Feeds events written as in examples, and gives each one's outcome.
class Play {
 public:
    explicit Play(const std::string& source) : source_(source) {}

    std::vector<Outcome> operator()(const std::string& events) {
        const std::string with_example = "// accept: " + events + "\n" + source_;
        model_ = model_of(with_example);
        interpreter_.emplace(model_);
        std::vector<Outcome> outcomes;
        std::uint64_t time_ns = 0;
        for (const ExampleEvent& event : model_.examples.front().events) {
            time_ns = event.time_ns.value_or(time_ns);
            if (event.event == no_event)
                interpreter_->advance(time_ns);
            else
                outcomes.push_back(interpreter_->step(occurrence_of(model_, event, time_ns)));
        }
        return outcomes;
    }

    const Interpreter& interpreter() const { return *interpreter_; }
    const Model& model() const { return model_; }

 private:
    std::string source_;
    Model model_;
    std::optional<Interpreter> interpreter_;
};

using enum Outcome;
using Outcomes = std::vector<Outcome>;

const std::string two_states = "idle -> used [label=\"open; start\"]; used -> idle [label=\"close\"];";

TEST(Interpreter, AnEventWithoutAnEdgeIsAViolationAndTheContextStartsAnew) {
    Play run(graph(door_note, two_states));
    EXPECT_EQ(run("open() open() close() open() close()"), (Outcomes{moved, violation, ignored, moved, moved}));
    ASSERT_EQ(run.interpreter().violations().size(), 1U);
    EXPECT_EQ(run.model().states[run.interpreter().violations()[0].state].name, "used");
}

TEST(Interpreter, ContextsOfDifferentKeysDoNotMeet) {
    Play run(graph(door_note, two_states));
    EXPECT_EQ(run("open(door_id=1) open(door_id=2) open(door_id=1)"), (Outcomes{moved, moved, violation}));
    EXPECT_EQ(run.interpreter().contexts().size(), 1U);
}

TEST(Interpreter, KeysMayBeCompositeAndOrigins) {
    Play run(graph("per who, thread\nopen = door:opened\nclose = door:closed\n", two_states));
    EXPECT_EQ(run("open(who=a,vtid=1) open(who=a,vtid=2) open(who=b,vtid=1) open(who=a,vtid=1)"),
              (Outcomes{moved, moved, moved, violation}));
}

TEST(Interpreter, WithoutKeysThereIsOneContext) {
    Play run(graph("open = door:opened\nclose = door:closed\n", two_states));
    EXPECT_EQ(run("open(door_id=1) open(door_id=2)"), (Outcomes{moved, violation}));
}

TEST(Interpreter, InfersThatAnEventAlwaysLeadingToTheInitialStateStarts) {
    Play run(graph(door_note,
                   "idle -> used [label=\"open\"]; used -> idle [label=\"close\"]; used -> used [label=\"open\"];"));
    EXPECT_EQ(run("open() close() open() open() close() close()"),
              (Outcomes{ignored, started, moved, moved, moved, violation}));
}

TEST(Interpreter, InfersOnlyOtherwiseThatAnEventLegalInTheInitialStateAloneStarts) {
    Play run(graph("per door_id\nopen = door:opened\nclose = door:closed floor := 2\n",
                   "idle -> used [label=\"open\"]; used -> used [label=\"close; floor == 1\"]; used -> idle "
                   "[label=\"close; floor != 1\"];"));
    EXPECT_EQ(run("close() open() close() open()"), (Outcomes{ignored, moved, moved, moved}));
}

TEST(Interpreter, AStateThatEndsRemovesTheContext) {
    Play run(graph(door_note,
                   "idle -> used [label=\"open; start\"]; used -> gone [label=\"close\"]; gone [shape=doublecircle];"));
    EXPECT_EQ(run("open() close() close() open()"), (Outcomes{moved, moved, ignored, moved}));
    EXPECT_EQ(run.interpreter().pending().size(), 1U);
    EXPECT_EQ(run("open() close()").size(), 2U);
    EXPECT_TRUE(run.interpreter().contexts().empty());
}

TEST(Interpreter, AGlobalAutomatonStaysInItsEnd) {
    Play run(graph("open = door:opened\nclose = door:closed\n",
                   "idle -> used [label=\"open; start\"]; used -> gone [label=\"close\"]; gone [shape=doublecircle];"));
    EXPECT_EQ(run("open() close() close()"), (Outcomes{moved, moved, violation}));
}

TEST(Interpreter, ActionsSeeTheEffectOfFormerOnes) {
    Play run(graph(door_note + "n: int\nm: int = 7\n",
                   "idle -> idle [label=\"open; start; n = m; m = n + 1; n += m\"]; idle -> idle [label=\"close; n == "
                   "15 && m == 8\"];"));
    EXPECT_EQ(run("open() close()"), (Outcomes{moved, moved}));
}

TEST(Interpreter, IntegersSaturateInRegisters) {
    Play run(graph("per door_id\nopen = door:opened\nclose = door:closed\nn: int\nu: unsigned\n",
                   "idle -> idle [label=\"open; start; n = door_id; u = -5\"]; idle -> idle [label=\"close; n == "
                   "9223372036854775807 && u == 0\"];"));
    EXPECT_EQ(run("open(door_id=18446744073709551615) close(door_id=18446744073709551615)"), (Outcomes{moved, moved}));
}

TEST(Interpreter, SignedAndUnsignedCompareByValue) {
    Play run(
        graph(door_note, "idle -> used [label=\"open; start; floor < door_id\"]; used -> idle [label=\"close\"];"));
    EXPECT_EQ(run("open(door_id=1,floor=-3)"), Outcomes{moved});
    EXPECT_EQ(run("open(door_id=1,floor=3)"), Outcomes{violation});
}

TEST(Interpreter, MapsReadZeroWhereThereIsNothing) {
    Play run(graph(door_note + "modes: map who -> mode\n",
                   "idle -> idle [label=\"open; start; modes[who] = mode\"]; idle -> idle [label=\"close; modes[who] "
                   "== EX && !('x' in modes)\"];"));
    EXPECT_EQ(run("open(who=a,mode=EX) close(who=a) close(who=b)"), (Outcomes{moved, moved, violation}));
}

TEST(Interpreter, CompatibleAsksOfEveryHolder) {
    Play run(graph(door_note + "modes: map who -> mode\n",
                   "idle -> idle [label=\"open; start; compatible(mode, modes, who); modes[who] = mode\"];"
                   "idle -> idle [label=\"close; who in modes; erase(modes, who)\"];"));
    EXPECT_EQ(run("open(who=a,mode=PR) open(who=b,mode=PR) open(who=a,mode=CR) open(who=c,mode=EX)"),
              (Outcomes{moved, moved, moved, violation}));
    EXPECT_EQ(run("open(who=a,mode=PR) open(who=a,mode=EX) close(who=a) open(who=c,mode=EX)"),
              (Outcomes{moved, moved, moved, moved}));
}

TEST(Interpreter, AnOverfullRegisterIsInconclusiveNotOk) {
    Play run(graph(door_note + "users: set[2] of who\n",
                   "idle -> idle [label=\"open; start; insert(users, who)\"]; idle -> idle [label=\"close; "
                   "erase(users, who)\"];"));
    EXPECT_EQ(run("open(who=a) open(who=b) open(who=a) open(who=c) close(who=a)"),
              (Outcomes{moved, moved, moved, inconclusive, ignored}));
    EXPECT_EQ(run.interpreter().overflows(), 1U);
    EXPECT_TRUE(run.interpreter().violations().empty());
}

TEST(Interpreter, RangesSplitMergeAndEmpty) {
    Play run(
        graph("per door_id\nopen = door:opened first := floor\nclose = door:closed first := 0\nheld: ranges of who\n",
              "idle -> used [label=\"open; start; lock(held, who, first, first + 9, mode)\"];"
              "used -> used [label=\"open; !conflicts(held, who, first, first + 9, mode); lock(held, who, first, first "
              "+ 9, mode)\"];"
              "used -> used [label=\"close; !leaves_empty(held, who, first, first + 9); unlock(held, who, first, first "
              "+ 9)\"];"
              "used -> idle [label=\"close; leaves_empty(held, who, first, first + 9); clear(held)\"];"));
    EXPECT_EQ(run("open(who=a,first=0,mode=EX) open(who=b,first=10,mode=EX) open(who=b,first=9,mode=PR)"),
              (Outcomes{moved, moved, violation}));
    EXPECT_EQ(run("open(who=a,first=0,mode=EX) open(who=a,first=5,mode=EX) close(who=a) open(who=b,first=0,mode=EX) "
                  "open(who=b,first=2,mode=EX)"),
              (Outcomes{moved, moved, moved, moved, violation}));
}

TEST(Interpreter, WhenChoosesTheEventAndAssignmentsGiveItFields) {
    const Model model =
        model_of(graph("per door_id\nlock = door:opened when mode == EX twice := floor * 2\npeek = door:opened when "
                       "mode != EX\nclose = door:closed\n",
                       "idle -> used [label=\"lock; start; twice == 6\"]; used -> used [label=\"peek\"]; used -> idle "
                       "[label=\"close\"];"));
    Interpreter interpreter(model);
    const auto fields = [](int mode) { return std::vector<Value>{{1, {}}, {0, "a"}, {3, {}}, {mode, {}}}; };
    EXPECT_EQ(interpreter.deliver(1, fields(5), {}), std::nullopt);
    EXPECT_EQ(interpreter.deliver(0, fields(5), {}), moved);
    EXPECT_EQ(interpreter.deliver(0, fields(3), {}), std::nullopt);
    EXPECT_EQ(interpreter.deliver(1, fields(3), {}), moved);
}

const std::string timed =
    "idle -> used [label=\"open; start; reset(age)\"]; used [label=\"used\\nage < 5ms\"]; used -> idle "
    "[label=\"close\"];";

TEST(Interpreter, AnInvariantFiresWithoutAnEvent) {
    Play run(graph(door_note + "age: clock\n", timed));
    EXPECT_EQ(run("@1ms open() @6ms").size(), 1U);
    ASSERT_EQ(run.interpreter().violations().size(), 1U);
    EXPECT_EQ(run.interpreter().violations()[0].event, no_event);
    EXPECT_EQ(run.interpreter().violations()[0].time_ns, 6'000'000U);
    EXPECT_EQ(run("@1ms open() @5999999ns close() @1s open()"), (Outcomes{moved, moved, moved}));
    EXPECT_TRUE(run.interpreter().violations().empty());
}

TEST(Interpreter, AnInvariantIsCheckedBeforeTheEvent) {
    Play run(graph(door_note + "age: clock\n", timed));
    EXPECT_EQ(run("@1ms open() @7ms close() @8ms open()"), (Outcomes{moved, ignored, moved}));
    EXPECT_EQ(run.interpreter().violations().size(), 1U);
}

TEST(Interpreter, TimersFireInTheOrderOfTheirDeadlines) {
    Play run(graph(door_note + "age: clock\n", timed));
    run("@1ms open(door_id=2) @2ms open(door_id=1) @3ms open(door_id=3) @1s");
    ASSERT_EQ(run.interpreter().violations().size(), 3U);
    EXPECT_TRUE(run.interpreter().violations()[0].key[0].integer == 2);
    EXPECT_TRUE(run.interpreter().violations()[2].key[0].integer == 3);
}

TEST(Interpreter, AComparisonWithAClockThatWasNeverResetHolds) {
    Play run(
        graph(door_note + "age: clock\n",
              "idle -> used [label=\"open; start; age > 5s\"]; used -> idle [label=\"close; age < 5s; reset(age)\"];"));
    EXPECT_EQ(run("@1ms open() close() @2ms open()"), (Outcomes{moved, moved, violation}));
}

TEST(Interpreter, AParameterWithoutAValueMustBeGivenOne) {
    const Model model = model_of("digraph bare { __init_idle -> idle; idle -> idle [label=\"open; level < LIMIT\"]; }");
    ASSERT_EQ(model.parameters.size(), 2U);
    Interpreter interpreter(model);
    const Occurrence open{0, {}, {}};
    EXPECT_EQ(interpreter.step(open), started);
    EXPECT_THROW(interpreter.step(open), std::invalid_argument);
    interpreter.set_parameter("level", 3);
    interpreter.set_parameter("LIMIT", 4);
    EXPECT_EQ(interpreter.step(open), moved);
    EXPECT_THROW(interpreter.set_parameter("nonsense", 1), std::invalid_argument);
}

}  // namespace
}  // namespace lockstep::codegen
