// For the tests of this folder: models from a few lines, with the tracepoints of a small provider.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "codegen/front_end.hpp"

namespace lockstep::codegen {

inline const char* test_provider = R"(
/** Taken. */
LTTNG_UST_TRACEPOINT_EVENT(door, opened,
    LTTNG_UST_TP_ARGS(uint64_t, door_id, const char*, who, int32_t, floor, uint8_t, mode),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint64_t, door_id, door_id)
        lttng_ust_field_string(who, who)
        lttng_ust_field_integer(int32_t, floor, floor)
        lttng_ust_field_integer(uint8_t, mode, mode)
    ))
/** Given back. */
LTTNG_UST_TRACEPOINT_EVENT(door, closed,
    LTTNG_UST_TP_ARGS(uint64_t, door_id, const char*, who),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer(uint64_t, door_id, door_id)
        lttng_ust_field_string(who, who)
    ))
)";

inline TracepointDeclarations test_tracepoints() {
    TracepointDeclarations declarations;
    EXPECT_TRUE(declarations.parse(test_provider, "door.tp").empty());
    return declarations;
}

// A graph with a note: `note` lines are separated by \n, `body` is DOT. The initial state is `idle`.
inline std::string graph(const std::string& note, const std::string& body) {
    return "digraph test {\n    binding [shape=note, label=\"" + note +
           "\"];\n    __init_idle [shape=point];\n    __init_idle -> idle;\n" + body + "}\n";
}

inline const std::string door_note = "per door_id\nopen = door:opened\nclose = door:closed\n";

inline Reading read(const std::string& source) {
    return read_model(source, "test.dot", test_tracepoints());
}

// The model, which must have no errors.
inline Model model_of(const std::string& source) {
    Reading reading = read(source);
    for (const Diagnostic& diagnostic : reading.diagnostics)
        if (diagnostic.severity == Severity::error)
            ADD_FAILURE() << format_diagnostic(diagnostic, "test.dot", source, false);
    return reading.model ? std::move(*reading.model) : Model{};
}

// Codes of all diagnostics, in order of place.
inline std::vector<std::string> codes_of(const std::string& source) {
    std::vector<std::string> codes;
    for (const Diagnostic& diagnostic : read(source).diagnostics) codes.push_back(diagnostic.code);
    return codes;
}

}  // namespace lockstep::codegen
