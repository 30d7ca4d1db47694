// A source file and the arithmetic of places in it: byte offsets (what parsers carry) and lines and columns (what
// people read).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/expression.hpp"

namespace lockstep::codegen {

// A stretch of the source: byte offsets, `end` is one past the last byte.
struct Span {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
};

inline Span join(Span a, Span b) {
    return {a.begin, b.end};
}

// Text decoded from the source (a quoted string, a label, a comment) that still knows where each byte of it stood.
struct LocatedText {
    std::string text;
    std::vector<std::uint32_t> offsets;  // one for each byte of text, plus one: where the text ends

    std::uint32_t offset_of(std::size_t index) const {
        return offsets.empty() ? 0 : offsets[std::min(index, offsets.size() - 1)];
    }
    void append(char byte, std::uint32_t offset) {
        text.push_back(byte);
        offsets.push_back(offset);
    }
};

// Owns the text and the index of its lines. Immutable.
class SourceText {
 public:
    explicit SourceText(std::string text);

    const std::string& text() const { return text_; }
    // Of an offset up to and including the end of the text.
    SourcePosition position(std::uint32_t offset) const;

 private:
    std::string text_;
    std::vector<std::uint32_t> line_starts_;
};

// Line `line` (from 1) of a text, without its line end; empty if there is none.
std::string_view line_of(std::string_view text, std::uint32_t line);

}  // namespace lockstep::codegen
