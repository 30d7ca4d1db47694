// Checks of the whole automaton: what no single label shows. Unreachable and dead-end states, edges between which
// nothing decides, guards that can't hold, bindings of one tracepoint that overlap.
#pragma once

#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/model_builder.hpp"

namespace lockstep::codegen {

// Of edges whose guards could not all be read nothing is said.
void check_model(const BuiltModel& built, std::vector<Diagnostic>& diagnostics);

// That one occurrence of a tracepoint is one event at most; check_model does it too.
void check_bindings(const Model& model, std::vector<Diagnostic>& diagnostics);

}  // namespace lockstep::codegen
