// Diagnostics: what is wrong with a source file, where, and what edit would put it right. Collected, never thrown: a
// reader of `lockstep check` gets all of them at once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/expression.hpp"

namespace lockstep::codegen {

enum class Severity : std::uint8_t { error, warning };

struct Diagnostic {
    Severity severity = Severity::error;
    std::string code;          // stable, for editors and tests: "two-initial-states"
    SourcePosition position;   // 0,0: the file as a whole
    std::uint32_t length = 1;  // bytes underlined, on one line
    std::string message;       // one sentence, lower case, without a full stop
    std::string hint;          // an edit, or empty
};

// Sorts by position (stable) and removes exact repetitions.
void sort_diagnostics(std::vector<Diagnostic>& diagnostics);

bool has_errors(const std::vector<Diagnostic>& diagnostics);

// `path:line:column: error: message [code]`, the line with an underline, and the hint, each on lines of its own.
// colour: with ANSI colours. source: the whole text that positions refer to. Columns count bytes; the underline is
// placed by characters, so that UTF-8 and tabs line up.
std::string format_diagnostic(const Diagnostic& diagnostic, std::string_view path, std::string_view source,
                              bool colour);

}  // namespace lockstep::codegen
