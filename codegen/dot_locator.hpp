// Where everything of a DOT file stands. libcgraph keeps no line numbers and does not survive every input; this walk
// over the statements finds the place of each node, edge and label, and refuses what must not get to libcgraph. It
// decides nothing about meaning: what the graph *is*, libcgraph says (codegen/dot_reader.hpp), as it does for the
// picture.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/dot_tokens.hpp"
#include "codegen/source_text.hpp"

namespace lockstep::codegen {

struct LocatedNode {
    Span span;                         // of its first mention
    std::optional<LocatedText> label;  // of the last statement that gave one
    bool html_label = false;
    std::string first_shape;  // the first that the file declares for it, which is the one that counts for the kernel's
                              // generator: `x [shape=…]`, or x named in a `{node [shape=…] x}`; empty: none
};

struct LocatedEdge {
    std::string tail;
    std::string head;
    Span span;  // from the tail's name to the head's
    std::optional<LocatedText> label;
    bool html_label = false;
};

struct LocatedGraph {
    std::string name;
    Span name_span;
    std::uint32_t begin = 0;  // offset of the keyword `digraph`
    std::map<std::string, LocatedNode> nodes;
    std::vector<LocatedEdge> edges;  // in the order in which libcgraph makes them
    std::vector<CommentLine> comments;
};

// Locates, and adds every error of syntax to diagnostics. The result is of use for libcgraph only when no error was
// added.
LocatedGraph locate_dot(const SourceText& source, std::vector<Diagnostic>& diagnostics);

}  // namespace lockstep::codegen
