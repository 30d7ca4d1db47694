// How a context that was not seen from its birth finds its state, and when it may be forgotten.
#pragma once

#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/model.hpp"

namespace lockstep::codegen {

// Sets Event::start of every event: from the author's `start` marks where there are any, else by the kernel's inference
// (an event all of whose edges lead to the initial state fixes it; only where there is none: an event that is legal in
// the initial state alone, by one edge, fixes it and is processed). Source: tools/verification/rvgen, dot2k. Adds
// ambiguous-start and no-start to diagnostics.
void infer_start_rules(Model& model, std::vector<Diagnostic>& diagnostics);

// Sets State::ends and State::reclaimable. Call after infer_start_rules.
void infer_reclamation(Model& model);

}  // namespace lockstep::codegen
