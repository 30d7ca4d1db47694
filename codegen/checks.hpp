// Checks of the whole automaton: what no single label shows. Unreachable and dead-end states, edges between which nothing decides,
// guards that can't hold, bindings of one tracepoint that overlap.
#pragma once

#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/model.hpp"

namespace lockstep::codegen {

// doubtful_edges: for each edge, whether its guards could not all be read; nothing is said of what they exclude.
void check_model(const Model& model, const std::vector<bool>& doubtful_edges, std::vector<Diagnostic>& diagnostics);

}  // namespace lockstep::codegen
