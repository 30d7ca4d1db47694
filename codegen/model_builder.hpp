// From the picture to the model: which nodes are states, which is the initial one, what the labels say; then what
// follows from it: start rules, states that end a context, states in which a context may be forgotten.
#pragma once

#include <utility>
#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/dot_reader.hpp"
#include "codegen/model.hpp"
#include "codegen/source_text.hpp"
#include "codegen/tracepoint_declarations.hpp"

namespace lockstep::codegen {

struct BuiltModel {
    Model model;  // with errors: of use for further checks only; all indices are valid in any case
    std::vector<bool>
        doubtful_edges;  // for each of Model::edges: its label has errors, so its guards are not all there
    std::vector<std::pair<std::uint32_t, std::uint32_t>>
        drawn_edges;        // source and target of every arrow, whatever its label
    bool has_note = false;  // a binding note: it is not a bare automaton of the kernel's
};

// Builds what can be built; what is wrong is added to diagnostics.
BuiltModel build_model(const Picture& picture, const SourceText& source, const TracepointDeclarations& tracepoints,
                       std::vector<Diagnostic>& diagnostics);

}  // namespace lockstep::codegen
