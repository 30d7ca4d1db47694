// Fuzz target of expressions and actions: any bytes as the clauses of an edge give a model or diagnostics, never a
// crash; and what gives a model can be evaluated, over extreme values too. The bytes reach the parser as they are:
// libcgraph only sees a quoted label. Under libFuzzer this is LLVMFuzzerTestOneInput; codegen/fuzz_test.cpp calls it
// too.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "codegen/front_end.hpp"
#include "codegen/tracepoint_hit.hpp"

#ifndef LOCKSTEP_EXPRESSION_FUZZ_ENTRY
#ifdef LOCKSTEP_FUZZ_ENTRY
#define LOCKSTEP_EXPRESSION_FUZZ_ENTRY LOCKSTEP_FUZZ_ENTRY
#else
#define LOCKSTEP_EXPRESSION_FUZZ_ENTRY lockstep_expression_fuzz
#endif
#endif

namespace lockstep::codegen {
namespace {

const TracepointDeclarations& tracepoints() {
    static const TracepointDeclarations declarations = [] {
        TracepointDeclarations all;
        all.parse(
            "TRACEPOINT_EVENT(fuzz, hit, TP_ARGS(uint64_t, a, int64_t, b, uint8_t, mode, const char*, who),"
            "TP_FIELDS(ctf_integer(uint64_t, a, a) ctf_integer(int64_t, b, b) ctf_integer(uint8_t, mode, mode)"
            "ctf_string(who, who)))",
            "fuzz.tp");
        return all;
    }();
    return declarations;
}

// The bytes as the inside of a quoted string of DOT.
std::string escaped(const std::uint8_t* data, std::size_t size) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) {
        const char c = static_cast<char>(data[i]);
        if (c == '\n')
            text += "\\n";
        else if (c == '"' || c == '\\')
            text += std::string("\\") + c;
        else
            text += c;
    }
    return text;
}

unsigned evaluated = 0;

void evaluate_on_extremes(const Model& model) {
    const Integer integers[] = {0, 1, 5, integer_highest, integer_highest / 2 + 1, integer_lowest, -1};
    const char* texts[] = {"", "a"};
    Interpreter interpreter(model);
    std::uint64_t time_ns = 0;
    for (std::size_t i = 0; i < 200; ++i) {
        TracepointHit hit;
        hit.binding = 0;
        hit.fields = {{saturate(integers[i % 7], 0, integer_highest), {}},
                      {saturate(integers[i / 7 % 7], integer_lowest, INT64_MAX), {}},
                      {saturate(integers[i / 3 % 5], 0, UINT8_MAX), {}},
                      {0, texts[i % 2]}};
        hit.where.time_ns = time_ns += i % 5 == 0 ? UINT32_MAX : 1;
        deliver(model, hit, interpreter);
    }
}

}  // namespace
}  // namespace lockstep::codegen

extern "C" int LOCKSTEP_EXPRESSION_FUZZ_ENTRY(const std::uint8_t* data, std::size_t size) {
    using namespace lockstep::codegen;
    const std::string source =
        "digraph fuzz { binding [shape=note, label=\"e = fuzz:hit\\l"
        "n: int\\lu: unsigned\\lf: flag\\lc: clock\\ls: set[4] of who\\lm: map[4] who -> mode\\lr: ranges[4] of "
        "who\\l\"];"
        "__init_q [shape=point]; __init_q -> q; q [shape=doublecircle]; q -> q [label=\"e; start; " +
        escaped(data, size) + "\"]; }";
    const Reading reading = read_model(source, "fuzz.dot", tracepoints());
    if (reading.model.has_value() == has_errors(reading.diagnostics)) std::abort();
    if (!reading.model) return 0;
    ++evaluated;
    evaluate_on_extremes(*reading.model);
    return 0;
}

// How many inputs were clauses of a sound model: a target that evaluates nothing tests nothing.
extern "C" unsigned lockstep_expressions_evaluated() {
    return lockstep::codegen::evaluated;
}
