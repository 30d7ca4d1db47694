// What a DOT file draws: nodes and edges with their labels, as libcgraph reads them, joined with their places in the
// source.
#pragma once

#include <string>
#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/dot_locator.hpp"
#include "codegen/source_text.hpp"

namespace lockstep::codegen {

struct PictureNode {
    std::string name;
    std::string shape;       // as it counts: the first declared for this node, else the drawn one
    bool has_label = false;  // false: Graphviz draws the node's name
    LocatedText label;       // as drawn: `\n`, `\l` and `\r` are line ends, other escapes are resolved
    Span span;
};

struct PictureEdge {
    std::size_t tail = 0;  // into Picture::nodes
    std::size_t head = 0;
    LocatedText label;
    Span span;
};

struct Picture {
    std::string name;
    Span name_span;
    std::uint32_t begin = 0;
    std::vector<PictureNode> nodes;  // in the order of their first mention
    std::vector<PictureEdge> edges;  // in source order
    std::vector<CommentLine> comments;
};

// Reads the picture. Errors are added to diagnostics; after an error the picture may be empty.
// Safe from several threads: libcgraph runs under one mutex.
Picture read_dot(const SourceText& source, std::vector<Diagnostic>& diagnostics);

}  // namespace lockstep::codegen
