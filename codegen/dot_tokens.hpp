// The words of a DOT file with their places, and its comments. First stage of the front end: nothing reaches libcgraph
// that did not pass here (an unclosed comment there breaks every later parse of the process; facts: libcgraph 2.42).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/source_text.hpp"

namespace lockstep::codegen {

struct DotToken {
    enum class Kind : std::uint8_t { name, quoted, html, mark, end };
    Kind kind = Kind::end;
    LocatedText
        text;   // decoded: without quotes, `\"` is `"`, a line continued with `\` is joined; `\n` stays two characters
    Span span;  // in the source, quotes included

    bool is(std::string_view mark) const { return kind == Kind::mark && text.text == mark; }
    bool is_id() const { return kind == Kind::name || kind == Kind::quoted || kind == Kind::html; }
};

// One line of a comment, without its marker; an empty line between comments parts them.
struct CommentLine {
    LocatedText text;
    Span span;
    bool follows_former = false;  // on the next line after the former comment line
};

struct DotTokens {
    std::vector<DotToken> tokens;  // ends with Kind::end
    std::vector<CommentLine> comments;
};

// What is absurd in a model, and what libcgraph can't take.
inline constexpr std::size_t longest_source_bytes = 4 << 20;
inline constexpr std::size_t longest_text_bytes = 64 << 10;  // of one quoted string; cgraph is quadratic in it
inline constexpr int deepest_nesting = 100;

// Splits the text. Errors (unclosed comment, quote, HTML text; control bytes; too long) are added to diagnostics.
DotTokens tokenise_dot(const SourceText& source, std::vector<Diagnostic>& diagnostics);

}  // namespace lockstep::codegen
