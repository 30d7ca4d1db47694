// The language as a whole: texts in, models and diagnostics out.
#include "codegen/front_end.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "codegen/model_for_test.hpp"
#include "codegen/report_json.hpp"

namespace lockstep::codegen {
namespace {

TEST(Language, ALabelMayHaveSeveralEventsAndRunOverLines) {
    const Model model = model_of(graph(
        door_note + "n: int\n",
        "idle -> idle [label=\"open; mode == EX;\\n n = 1\\nclose;\\l (door_id >\\l 3\\n && door_id < 9)\\n; n = 2\"];"
        "idle -> idle [label=\"close; door_id >= 9 ||\\n door_id <= 3\"];"));
    ASSERT_EQ(model.edges.size(), 3U);
    EXPECT_EQ(model.edges[0].text, "open; mode == EX;  n = 1");
    EXPECT_EQ(model.edges[0].actions.size(), 1U);
    EXPECT_EQ(model.edges[1].guards.size(), 1U);
    EXPECT_EQ(model.edges[1].actions.size(), 1U);
}

TEST(Language, OperatorsBindAsInC) {
    const Model model = model_of(graph(door_note,
                                       "idle -> idle [label=\"open; floor + 2 * 3 - 1 == 5 || !(mode == EX) && who != "
                                       "'a'\"]; idle -> idle [label=close];"));
    const Expression& guard = model.edges[0].guards.at(0);
    EXPECT_EQ(guard.kind, Expression::Kind::logical_or);
    EXPECT_EQ(guard.operands[1].kind, Expression::Kind::logical_and);
    const Expression& sum = guard.operands[0].operands[0];
    EXPECT_EQ(sum.kind, Expression::Kind::subtract);
    EXPECT_EQ(sum.operands[0].kind, Expression::Kind::add);
    EXPECT_EQ(sum.operands[0].operands[1].kind, Expression::Kind::multiply);
}

TEST(Language, PositionsPointIntoTheLabel) {
    const Model model = model_of(graph(door_note, "idle -> idle [label=\"close\\nopen; mode == EX\"];\n"));
    EXPECT_EQ(model.edges[1].position, (SourcePosition{8, 29}));
    EXPECT_EQ(model.edges[1].guards[0].position, (SourcePosition{8, 35}));
}

TEST(Language, ANoteDeclaresKeysRegistersAndParameters) {
    const Model model =
        model_of(graph("per[70000] door_id, thread\nopen = door:opened when mode > 1 && who != ''\n  twice := floor * 2, deep "
                       ":= floor < 0\nclose = door:closed\n"
                       "n: int = -3\nu: unsigned\nf: flag = true\nc: clock\ns: set of who\nm: map[8] door_id -> "
                       "mode\nr: ranges[256] of who\nparameter limit = 30s\n",
                       "idle -> idle [label=\"open; twice < 4; deep\\nclose\"];"));
    ASSERT_EQ(model.keys.size(), 2U);
    EXPECT_EQ(model.keys[1].origin, Origin::thread);
    EXPECT_EQ(model.contexts, 70'000U);
    ASSERT_EQ(model.registers.size(), 7U);
    EXPECT_TRUE(model.registers[0].initial == -3);
    EXPECT_TRUE(model.registers[2].initial == 1);
    EXPECT_EQ(model.registers[4].capacity, 64U);
    EXPECT_EQ(model.registers[4].key.type, Type::string);
    EXPECT_EQ(model.registers[5].capacity, 8U);
    EXPECT_EQ(model.registers[6].capacity, 256U);
    ASSERT_EQ(model.parameters.size(), 1U);
    EXPECT_TRUE(model.parameters[0].value == Integer{30'000'000'000});
    ASSERT_EQ(model.bindings.size(), 2U);
    EXPECT_TRUE(model.bindings[0].when);
    EXPECT_EQ(model.bindings[0].values.size(), model.events[0].fields.size());
    EXPECT_EQ(model.events[0].fields.back().name, "deep");
    EXPECT_EQ(model.bindings[0].signature, "uint64_t, door_id, const char*, who, int32_t, floor, uint8_t, mode");
}

TEST(Language, AnEventOfTwoTracepointsHasTheFieldsOfBoth) {
    const Model model =
        model_of(graph("per door_id\ntouch = door:opened\ntouch = door:closed\n", "idle -> idle [label=touch];"));
    ASSERT_EQ(model.events.size(), 1U);
    ASSERT_EQ(model.bindings.size(), 2U);
    EXPECT_EQ(model.events[0].fields.size(), 2U);
    EXPECT_EQ(model.bindings[1].values.size(), 2U);
    EXPECT_EQ(codes_of(graph("per door_id\ntouch = door:opened\ntouch = door:closed\n",
                             "idle -> idle [label=\"touch; floor == 1\"];")),
              std::vector<std::string>{"undeclared-name"});
}

TEST(Language, TheInitialStateIsThatOfAPointOrOfTheNameOfItsMark) {
    for (const char* mark :
         {"start [shape=point]; start -> b;", "\"__init_b\" [style=invis]; __init_b -> b;", "__init_b;"}) {
        const Model model = model_of(std::string("digraph x { ") + mark + " a -> b [label=e]; b -> a [label=f]; }");
        EXPECT_EQ(model.states.at(model.initial).name, "b") << mark;
        EXPECT_TRUE(model.states.at(model.initial).final) << "with none final, the initial is";
    }
}

TEST(Language, WhatIsDrawnIsTheStatesName) {
    const Model model = model_of(
        "digraph x { __init_s -> s; s [label=\"not running\\nclk < 5ms\"]; s -> s [label=\"e; reset(clk)\"]; }");
    EXPECT_EQ(model.states.at(0).name, "not_running");
    ASSERT_EQ(model.states.at(0).invariants.size(), 1U);
    EXPECT_FALSE(model.states.at(0).invariants[0].inclusive);
}

TEST(Language, FinalStatesEndOrMayBeForgotten) {
    const Model model =
        model_of(graph(door_note + "n: int\n",
                       "idle [shape=doublecircle]; end [shape=doublecircle]; idle -> used [label=\"open; start\"]; "
                       "idle -> idle [label=close];"
                       "used -> idle [label=\"close; door_id < 5\"]; used -> end [label=\"close; door_id >= 5\"];"));
    EXPECT_TRUE(model.states[0].reclaimable);
    EXPECT_FALSE(model.states[0].ends);
    EXPECT_TRUE(model.states[1].ends || model.states[2].ends);
    // Without the loop a close in `idle` is a violation, which an unknown context would not notice.
    const Model strict = model_of(graph(
        door_note, "idle [shape=doublecircle]; idle -> used [label=\"open; start\"]; used -> idle [label=close];"));
    EXPECT_FALSE(strict.states[0].reclaimable);
}

TEST(Language, TheCommentBeforeTheGraphIsItsSummary) {
    const Model model =
        model_of("// A door is closed before it is opened again.\n//\n// accept: open() close()\n// Really.\n" +
                 graph(door_note, "idle -> used [label=open]; used -> idle [label=close];"));
    EXPECT_EQ(model.summary, "A door is closed before it is opened again.\n\nReally.");
    EXPECT_EQ(model.examples.size(), 1U);
}

// --- the dialects of the kernel's tools
// ----------------------------------------------------------------------------------

const char* const kernel_model = R"dot(digraph state_automaton {
	center = true;
	size = "7,11";
	{node [shape = circle] "asleep"};
	{node [shape = plaintext, style=invis, label=""] "__init_awake"};
	{node [shape = doublecircle] "awake"};
	{node [shape = circle] "awake"};
	{node [shape = plaintext] "dead line"};
	"__init_awake" -> "awake";
	"asleep" [label = "asleep\nclk < limit_ns()"];
	"asleep" -> "awake" [ label = "wake;clk < 5us && on_cpu == 1\ntick;reset(clk)" ];
	"asleep" -> "dead line" [ label = "stop;clk <= THRESHOLD" ];
	"awake" [label = "awake", color = green3];
	"awake" -> "asleep" [ label = "sleep;reset(clk)" ];
	"awake" -> "awake" [ label = "wake\ntick" ];
	"dead line" -> "awake" [ label = "wake" ];
	{ rank = min ;
		"__init_awake";
		"awake";
	}
}
)dot";

TEST(KernelDialect, IsReadAsItIs) {
    const Reading reading = read(kernel_model);
    for (const Diagnostic& diagnostic : reading.diagnostics)
        ADD_FAILURE() << format_diagnostic(diagnostic, "kernel.dot", kernel_model, false);
    ASSERT_TRUE(reading.model);
    const Model& model = *reading.model;
    EXPECT_EQ(model.states.size(), 3U);
    EXPECT_TRUE(model.states[1].final);
    EXPECT_FALSE(model.states[0].final);
    EXPECT_EQ(model.states[model.initial].name, "awake");
    EXPECT_EQ(model.edges.size(), 7U);
    EXPECT_EQ(model.registers.size(), 1U);
    std::vector<std::string> parameters;
    for (const Parameter& parameter : model.parameters) parameters.push_back(parameter.name);
    EXPECT_EQ(parameters, (std::vector<std::string>{"limit_ns()", "on_cpu", "THRESHOLD"}));
    EXPECT_EQ(model.parameters[0].type.type, Type::duration);
    EXPECT_EQ(model.parameters[1].type.type, Type::integer);
    EXPECT_EQ(model.parameters[2].type.type, Type::duration);
}

TEST(KernelDialect, StartRulesAreTheKernelsInference) {
    const Model enter =
        model_of("digraph x { __init_a -> a; a -> b [label=go]; b -> a [label=back]; b -> b [label=go]; }");
    EXPECT_EQ(enter.events[0].start, StartRule::none);
    EXPECT_EQ(enter.events[1].start, StartRule::enter);
    const Model process = model_of(
        "digraph x { __init_a -> a; a -> b [label=go]; b -> a [label=x]; b -> c [label=y]; c -> c [label=x]; c -> a "
        "[label=y]; }");
    EXPECT_EQ(process.events[0].start, StartRule::process);
    EXPECT_EQ(process.events[1].start, StartRule::none);
}

TEST(KernelDialect, WhatItsOwnTestsRejectIsRejected) {
    EXPECT_EQ(codes_of("digraph invalid { {node [shape = circle] \"init\"}; \"init\" -> \"s\" [ label = \"e\" ]; \"s\" "
                       "-> \"init\" [label = \"f\"]; }"),
              std::vector<std::string>{"no-initial-state"});
    EXPECT_FALSE(
        read("digraph x { __init_a -> a; a [label = \"a;clk < 1\"]; a -> a [label = \"e;reset(clk)\"]; }").model);
    EXPECT_FALSE(read("digraph x { __init_a -> a; a -> a [label = \"e;no_comparison\"]; }").model);
}

// What its parsers get wrong: the last of two targets wins, an undeclared state vanishes, a second initial state is
// ignored.
TEST(KernelDialect, WhatItsParsersMishandleIsNot) {
    const auto has = [](const std::vector<std::string>& codes, const char* code) {
        return std::ranges::find(codes, code) != codes.end();
    };
    EXPECT_TRUE(has(codes_of("digraph x { __init_a -> a; a -> a [label=e]; a -> b [label=e]; b -> a [label=f]; }"),
                    "nondeterminism"));
    EXPECT_TRUE(has(codes_of("digraph x { __init_a -> a; __init_b -> b; a -> b [label=e]; b -> a [label=f]; }"),
                    "two-initial-states"));
    EXPECT_TRUE(has(codes_of("digraph x { __init_a -> a; a -> a [label=e]; b -> a [label=f]; }"), "unreachable-state"));
    EXPECT_TRUE(has(codes_of("digraph x { __init_a -> a; a -> a; }"), "no-event"));
    EXPECT_EQ(
        model_of("digraph x { __init_a -> a; a -> b [label=e]; a -> b [label=g]; b -> a [label=f]; }").edges.size(),
        3U);
}

// --- diagnostics
// -----------------------------------------------------------------------------------------------------------

TEST(Diagnostics, UnderlineCharactersNotBytes) {
    const std::string source = "x\tä ö é\n";
    const Diagnostic diagnostic{Severity::error, "code", {1, 6}, 5, "message", "hint"};
    EXPECT_EQ(format_diagnostic(diagnostic, "f", source, false),
              "f:1:6: error: message [code]\n    1 | x\tä ö é\n      |  \t  ^~~\n      = hint: hint\n");
}

TEST(Diagnostics, ShowAWindowOfALongLine) {
    const std::string source = std::string(5000, 'x') + "y" + std::string(5000, 'x');
    const std::string text =
        format_diagnostic({Severity::error, "code", {1, 5001}, 1, "message", ""}, "f", source, false);
    EXPECT_LT(text.size(), 600U);
    const auto mark = text.find('^') - text.rfind('\n', text.find('^'));
    const auto y = text.find('y') - text.rfind('\n', text.find('y'));
    EXPECT_EQ(mark + std::string("…").size() - 1, y);
}

TEST(Diagnostics, ShowAWindowOfALongLineThatIsNoUtf8) {
    for (const char byte : {'\x80', '\xbf', '\xff'}) {
        const std::string source = "begin " + std::string(5000, byte) + " end";
        for (const std::uint32_t column : {1U, 150U, 250U, 2500U, 5006U, 5011U, 6000U}) {
            const std::string text =
                format_diagnostic({Severity::error, "code", {1, column}, 9, "message", ""}, "f", source, false);
            EXPECT_NE(text.find('^'), std::string::npos) << column;
            EXPECT_LT(text.size(), 700U) << column;
        }
    }
}

TEST(Diagnostics, AreColouredOnlyWhenAsked) {
    const Diagnostic diagnostic{Severity::warning, "code", {1, 1}, 1, "message", ""};
    EXPECT_EQ(format_diagnostic(diagnostic, "f", "x", false).find('\033'), std::string::npos);
    EXPECT_NE(format_diagnostic(diagnostic, "f", "x", true).find('\033'), std::string::npos);
}

TEST(Diagnostics, KeepControlBytesFromTheTerminal) {
    const std::string text =
        format_diagnostic({Severity::error, "code", {1, 1}, 1, "a\033[31mb", ""}, "f", "x\033[0m\x07", false);
    EXPECT_EQ(text.find('\033'), std::string::npos);
    EXPECT_EQ(text.find('\x07'), std::string::npos);
}

TEST(Diagnostics, AreJsonForPrograms) {
    const Diagnostic diagnostic{Severity::error, "code", {3, 4}, 5, "a \"quoted\" \xff message", "hint"};
    const auto report = nlohmann::json::parse(diagnostics_to_json("dir/f.dot", {diagnostic}));
    EXPECT_EQ(report["file"], "dir/f.dot");
    ASSERT_EQ(report["diagnostics"].size(), 1U);
    EXPECT_EQ(report["diagnostics"][0]["line"], 3);
    EXPECT_EQ(report["diagnostics"][0]["column"], 4);
    EXPECT_EQ(report["diagnostics"][0]["severity"], "error");
}

TEST(FrontEnd, AFileThatCantBeReadIsOneClearMessage) {
    for (const char* path : {"/nonexistent/x.dot", "/"}) {
        const Reading reading = read_model_file(path, {});
        EXPECT_FALSE(reading.model);
        ASSERT_EQ(reading.diagnostics.size(), 1U);
        EXPECT_EQ(reading.diagnostics[0].code, "unreadable");
    }
    // Endless, and not text.
    EXPECT_EQ(read_model_file("/dev/zero", {}).diagnostics.at(0).code, "too-long");
}

}  // namespace
}  // namespace lockstep::codegen
