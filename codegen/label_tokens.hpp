// The words of a label, a note or an example, each with its place in the DOT file.
#pragma once

#include <string>
#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/integer.hpp"
#include "codegen/source_text.hpp"

namespace lockstep::codegen {

struct LabelToken {
    enum class Kind : std::uint8_t { name, number, duration, text, mark, newline, end };
    Kind kind = Kind::end;
    std::string text;     // as spelled; of a text literal: its content
    Integer number = 0;   // number; duration in ns
    bool broken = false;  // an error was reported of it
    Span span;
    std::size_t begin = 0;   // index of its first byte in the label's decoded text
    std::size_t finish = 0;  // one past its last

    bool is(std::string_view mark) const { return kind == Kind::mark && text == mark; }
    bool is_name(std::string_view name) const { return kind == Kind::name && text == name; }
};

// Ends with Kind::end. Numbers: decimal or 0x…; durations: a number with ns, us, ms, s, min, h, or j (a jiffy, 4 ms: HZ
// is 250).
std::vector<LabelToken> tokenise_label(const LocatedText& label, const SourceText& source,
                                       std::vector<Diagnostic>& diagnostics);

}  // namespace lockstep::codegen
