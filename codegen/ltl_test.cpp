// Linear temporal logic: the automaton against the meaning of formulas on infinite runs, and the language as a whole.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "codegen/examples.hpp"
#include "codegen/interpreter.hpp"
#include "codegen/ltl_automaton.hpp"
#include "codegen/model_for_test.hpp"

namespace lockstep::codegen::ltl {
namespace {

constexpr AtomId atom_count = 2;
using Moment = unsigned;  // a bit for each atom

// A run that goes on for ever: `moments`, of which those from `loop` on come again and again.
struct Lasso {
    std::vector<Moment> moments;
    std::size_t loop = 0;
};

// What a formula means, straight from its definition: for each position of the lasso whether it holds there.
std::vector<bool> meaning(FormulaId id, const FormulaPool& pool, const Lasso& run) {
    const Formula f = pool[id];
    const std::size_t size = run.moments.size();
    const auto after = [&](std::size_t i) { return i + 1 < size ? i + 1 : run.loop; };
    const auto of = [&](FormulaId part) { return meaning(part, pool, run); };
    std::vector<bool> holds(size, f.op == Op::yes);
    if (f.op == Op::no || f.op == Op::yes) return holds;
    if (f.op == Op::atom || f.op == Op::not_atom) {
        for (std::size_t i = 0; i < size; ++i) holds[i] = ((run.moments[i] >> f.atom & 1U) != 0) == (f.op == Op::atom);
        return holds;
    }
    const std::vector<bool> left = of(f.left);
    const std::vector<bool> right = f.op == Op::next ? left : of(f.right);
    if (f.op == Op::conjunction || f.op == Op::disjunction || f.op == Op::next) {
        for (std::size_t i = 0; i < size; ++i)
            holds[i] = f.op == Op::conjunction   ? left[i] && right[i]
                       : f.op == Op::disjunction ? left[i] || right[i]
                                                 : left[after(i)];
        return holds;
    }
    // `until` is the least, `release` the greatest solution of its equation.
    holds.assign(size, f.op == Op::release);
    for (std::size_t round = 0; round <= size; ++round)
        for (std::size_t i = size; i-- > 0;)
            holds[i] =
                f.op == Op::until ? right[i] || (left[i] && holds[after(i)]) : right[i] && (left[i] || holds[after(i)]);
    return holds;
}

// Every moment is a letter in which all atoms are known.
std::vector<Letter> all_moments() {
    std::vector<Letter> letters(1U << atom_count);
    for (Moment moment = 0; moment < letters.size(); ++moment)
        for (AtomId atom = 0; atom < atom_count; ++atom) letters[moment].known[atom] = (moment >> atom & 1U) != 0;
    return letters;
}

class Random {
 public:
    explicit Random(unsigned seed) : random_(seed) {}
    unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

    FormulaId formula(FormulaPool& pool, int depth) {
        const unsigned kind = depth == 0 ? below(2) : below(9);
        if (kind < 2) return pool.atom(below(atom_count), below(2) == 0);
        const FormulaId a = formula(pool, depth - 1);
        if (kind == 2) return pool.next(a);
        if (kind == 3) return pool.release(pool.literal(false), a);
        if (kind == 4) return pool.until(pool.literal(true), a);
        const FormulaId b = formula(pool, depth - 1);
        return kind == 5   ? pool.both(a, b)
               : kind == 6 ? pool.either(a, b)
               : kind == 7 ? pool.until(a, b)
                           : pool.release(a, b);
    }

 private:
    std::mt19937 random_;
};

// Runs an automaton whose letters know every atom.
class Runner {
 public:
    explicit Runner(const Automaton& automaton) : automaton_(automaton) {}
    // False: violated.
    bool step(std::uint32_t letter) {
        for (const AutomatonEdge& edge : automaton_.edges)
            if (edge.source == state_ && edge.letter == letter && edge.guards.empty()) {
                state_ = edge.target;
                return true;
            }
        return false;
    }
    const AutomatonState& state() const { return automaton_.states[state_]; }

 private:
    const Automaton& automaton_;
    std::uint32_t state_ = 0;
};

// Some run that begins like this, with at most `extra` moments more before a loop of at most `extra`, fulfils it.
bool can_be_fulfilled(FormulaId formula, const FormulaPool& pool, const std::vector<Moment>& begin, std::size_t extra) {
    for (std::size_t tail = 0; tail <= extra; ++tail)
        for (std::size_t loop = 1; loop <= extra; ++loop) {
            const std::size_t bits = atom_count * (tail + loop);
            for (unsigned code = 0; code < 1U << bits; ++code) {
                Lasso run{begin, begin.size() + tail};
                for (std::size_t i = 0; i < tail + loop; ++i)
                    run.moments.push_back(code >> (atom_count * i) & ((1U << atom_count) - 1));
                if (meaning(formula, pool, run)[0]) return true;
            }
        }
    return false;
}

TEST(LtlAutomaton, SaysNoExactlyWhenNoContinuationFulfilsTheFormula) {
    constexpr unsigned seed = 20262;
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Random random(seed);
    int violated = 0, open = 0;
    for (int round = 0; round < 90; ++round) {
        FormulaPool pool;
        const FormulaId formula = random.formula(pool, 3);
        SCOPED_TRACE(pool.text(formula, {"A", "B"}));
        const Automaton automaton = automaton_of(formula, all_moments(), pool);
        if (automaton.states.empty()) {
            ASSERT_FALSE(can_be_fulfilled(formula, pool, {}, 3));
            continue;
        }
        Runner runner(automaton);
        std::vector<Moment> begin;
        bool going = true;
        for (int i = 0; i < 4 && going; ++i) {
            begin.push_back(random.below(1U << atom_count));
            going = runner.step(begin.back());
            ASSERT_EQ(can_be_fulfilled(formula, pool, begin, 3), going) << "after " << begin.size() << " moments";
            ++(going ? open : violated);
        }
    }
    EXPECT_GT(violated, 20);
    EXPECT_GT(open, 80);
}

TEST(LtlAutomaton, ARunMayEndWhereStayingSilentForEverIsAllowed) {
    FormulaPool pool;
    const FormulaId a = pool.atom(0, true), b = pool.atom(1, true);
    const FormulaId rule =
        pool.release(pool.literal(false), pool.either(pool.negation(a), pool.until(pool.literal(true), b)));
    const Automaton automaton = automaton_of(rule, all_moments(), pool);
    Runner runner(automaton);
    EXPECT_TRUE(runner.state().may_end);
    ASSERT_TRUE(runner.step(1));
    EXPECT_FALSE(runner.state().may_end);
    ASSERT_TRUE(runner.step(0));
    EXPECT_FALSE(runner.state().may_end);
    ASSERT_TRUE(runner.step(2));
    EXPECT_TRUE(runner.state().may_end);
}

// Letters that change one atom and leave the other: the guards must say what a letter that knows all would say.
TEST(LtlAutomaton, GuardsOverAtomsThatStayDecideAsKnownAtomsDo) {
    constexpr unsigned seed = 20263;
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    const std::vector<Letter> changes = {{{{0, true}}}, {{{0, false}}}, {{{1, true}}}, {{{1, false}}}};
    Random random(seed);
    int violated = 0;
    for (int round = 0; round < 400; ++round) {
        FormulaPool pool;
        const FormulaId formula = random.formula(pool, 3);
        SCOPED_TRACE(pool.text(formula, {"A", "B"}));
        const Automaton whole = automaton_of(formula, all_moments(), pool);
        const Automaton partial = automaton_of(formula, changes, pool);
        ASSERT_EQ(whole.states.empty(), partial.states.empty());
        if (whole.states.empty()) continue;
        Runner runner(whole);
        std::uint32_t state = 0;
        Moment moment = 0;
        for (int i = 0; i < 12; ++i) {
            const unsigned letter = random.below(4);
            const unsigned bit = 1U << (letter / 2);
            moment = letter % 2 == 0 ? moment | bit : moment & ~bit;
            std::vector<const AutomatonEdge*> taken;
            for (const AutomatonEdge& edge : partial.edges)
                if (edge.source == state && edge.letter == letter &&
                    std::ranges::all_of(edge.guards, [&](FormulaId guard) {
                        return pool.assume(guard, {{0, (moment & 1U) != 0}, {1, (moment & 2U) != 0}}) ==
                               pool.literal(true);
                    }))
                    taken.push_back(&edge);
            ASSERT_LE(taken.size(), 1U);
            const bool going = runner.step(moment);
            ASSERT_EQ(going, taken.size() == 1);
            if (!going) {
                ++violated;
                break;
            }
            state = taken[0]->target;
            ASSERT_EQ(runner.state().may_end, partial.states[state].may_end);
        }
    }
    EXPECT_GT(violated, 100);
}

}  // namespace
}  // namespace lockstep::codegen::ltl

namespace lockstep::codegen {
namespace {

Reading read_ltl(const std::string& source) {
    return read_model(source, "test.ltl", test_tracepoints());
}

Model ltl_model(const std::string& source) {
    const Reading reading = read_ltl(source);
    for (const Diagnostic& diagnostic : reading.diagnostics)
        if (diagnostic.severity == Severity::error)
            ADD_FAILURE() << format_diagnostic(diagnostic, "test.ltl", source, false);
    return reading.model.value_or(Model{});
}

const std::string bound = "per door_id\nopen = door:opened\nclose = door:closed\n";

// Which of these events is the first violation; -1: none.
int first_violation(const Model& model, const std::vector<std::string>& events) {
    Interpreter interpreter(model);
    for (std::size_t i = 0; i < events.size(); ++i) {
        const auto event = std::ranges::find(model.events, events[i], &Event::name);
        EXPECT_NE(event, model.events.end()) << events[i];
        Occurrence occurrence;
        occurrence.event = static_cast<std::uint32_t>(event - model.events.begin());
        occurrence.fields.resize(event->fields.size());
        if (interpreter.step(occurrence) == Outcome::violation) return static_cast<int>(i);
    }
    return -1;
}

// The shapes of the kernel's models and of its tests.
TEST(Ltl, TheKernelsLanguageIsReadAsItIs) {
    EXPECT_EQ(first_violation(ltl_model("RULE = always (RT imply not FAULT)\n"), {"fault", "not_fault", "rt", "fault"}),
              3);
    EXPECT_TRUE(read_ltl("RULE = always (EVENT_A imply eventually EVENT_B)\n").model);
    const Model broken_down = ltl_model(
        "RULE = always (((RT and USER) imply\n\t\t(not (LOWER or SOFTIRQ)) or ALLOWED))\n\n"
        "ALLOWED = MUTEX # a comment\n        or FUTEX\n");
    EXPECT_EQ(first_violation(broken_down, {"rt", "lower", "mutex", "user", "not_mutex"}), 4);
    EXPECT_EQ(first_violation(broken_down, {"rt", "lower", "not_lower", "user", "futex", "softirq", "not_futex"}), 6);
    const Model sleep = ltl_model(
        "RULE = always ((RT and SLEEP) imply (GOOD_SLEEP or LISTED))\n"
        "GOOD_SLEEP = (REASON or KERNEL)\n and ((not WAKE) until GOOD_WAKE)\nGOOD_WAKE = HIGHER or ABORT\n");
    EXPECT_EQ(first_violation(sleep, {"rt", "kernel", "sleep", "higher", "wake", "not_sleep"}), -1);
    EXPECT_EQ(first_violation(sleep, {"rt", "kernel", "sleep", "wake"}), 3);
    EXPECT_EQ(first_violation(sleep, {"rt", "sleep"}), 1);
    EXPECT_EQ(first_violation(sleep, {"rt", "listed", "sleep", "wake", "not_listed"}), 4);
}

TEST(Ltl, WhatTheKernelsTestsRejectIsRejected) {
    for (const char* wrong : {"RULE = A invalid B\n", "A = always B\n", "RULE = always (a imply B)\n", "RULE = \n",
                              "RULE = always\n", "RULE = (A and B\n", "RULE = A B\n", "", "rule = A\n"})
        EXPECT_FALSE(read_ltl(wrong).model) << wrong;
}

TEST(Ltl, EveryOperatorMeansWhatItSays) {
    const auto rule = [](const std::string& formula) { return ltl_model("RULE = " + formula + "\n"); };
    EXPECT_EQ(first_violation(rule("next A"), {"a", "not_a"}), 1);
    EXPECT_EQ(first_violation(rule("A until B"), {"a", "a", "not_a"}), 2);
    EXPECT_EQ(first_violation(rule("A until B"), {"a", "b", "not_a", "not_b"}), -1);
    EXPECT_EQ(first_violation(rule("always (A equivalent B)"), {"not_a", "a"}), 1);
    EXPECT_EQ(first_violation(rule("always (A imply (next B))"), {"not_a", "a", "b", "not_b"}), 3);
    EXPECT_EQ(first_violation(rule("not eventually A"), {"not_a", "a"}), 1);
    EXPECT_EQ(first_violation(rule("A or not A"), {"a", "not_a"}), -1);
    EXPECT_EQ(first_violation(rule("false or A"), {"not_a"}), 0);
}

TEST(Ltl, OperatorsTakeAllToTheRightAndReadersAreWarned) {
    EXPECT_EQ(first_violation(ltl_model("RULE = always (not A and B)\n"), {"a", "b"}), 1);
    const auto codes = [](const std::string& source) {
        std::vector<std::string> told;
        for (const Diagnostic& diagnostic : read_ltl(source).diagnostics) told.push_back(diagnostic.code);
        return told;
    };
    EXPECT_EQ(codes("RULE = always (not A and B)\n"), std::vector<std::string>{"ltl-grouping"});
    EXPECT_EQ(codes("RULE = always (A and B or C)\n"), std::vector<std::string>{"ltl-grouping"});
    EXPECT_EQ(codes("RULE = always (A imply B or C and D)\n"), std::vector<std::string>{});
    EXPECT_EQ(codes("RULE = always ((not A) and B)\n"), std::vector<std::string>{});
}

TEST(Ltl, AtomsOfOneMomentAndAtomsThatStay) {
    const Model moments = ltl_model("RULE = always (OPEN imply next CLOSE)\n" + bound);
    EXPECT_TRUE(moments.registers.empty());
    EXPECT_EQ(first_violation(moments, {"open", "close", "close", "open", "open"}), 4);
    const Model stays = ltl_model(
        "RULE = always (CLOSE imply WAS_OPEN)\nWAS_OPEN = from open to shut\nper door_id\nopen = door:opened\n"
        "close = door:closed\n    when who != 'x'\nshut = door:closed when who == 'x'\nstart open\n");
    ASSERT_EQ(stays.registers.size(), 1U);
    EXPECT_EQ(first_violation(stays, {"close", "open", "close", "close", "shut", "close"}), 5);
}

TEST(Ltl, OfKeyedContextsWhatIsFulfilledIsForgotten) {
    const Model model = ltl_model("RULE = OPEN until CLOSE\n" + bound + "start open\n");
    const auto fulfilled = std::ranges::find(model.states, "fulfilled", &State::name);
    ASSERT_NE(fulfilled, model.states.end());
    EXPECT_TRUE(fulfilled->ends);
    EXPECT_FALSE(model.states[model.initial].final);
}

TEST(Ltl, ARuleThatHoldsOfEveryRestMayBeginAnywhere) {
    const Model model = ltl_model("RULE = always (OPEN imply next CLOSE)\n" + bound);
    EXPECT_TRUE(
        std::ranges::all_of(model.events, [](const Event& event) { return event.start == StartRule::process; }));
    EXPECT_TRUE(model.states[model.initial].reclaimable);
}

TEST(Ltl, ExamplesInCommentsAreTests) {
    const Model model = ltl_model(
        "# A door is closed after it was opened.\n# accept: open() close()\n"
        "# reject: open(door_id=3)\n#     open(door_id=3)\n"
        "RULE = always (OPEN imply next CLOSE)\n" +
        bound);
    EXPECT_EQ(model.summary, "A door is closed after it was opened.");
    const auto results = run_examples(model);
    ASSERT_EQ(results.size(), 2U);
    EXPECT_TRUE(results[0].passed && results[1].passed);
}

}  // namespace
}  // namespace lockstep::codegen
