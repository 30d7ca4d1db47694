// The examples of a model as hits of tracepoints, so that a compiled monitor can be shown them.
#pragma once

#include <vector>

#include "codegen/model.hpp"
#include "codegen/run_generator.hpp"

namespace lockstep::codegen {

// One run for each of Model::examples, in their order. An example says what an event's fields are, not what a
// tracepoint must record for that; so the model gets another binding for each event, `example:EVENT`, whose payload is
// the event's own fields, and the runs are hits of these.
std::vector<GeneratedRun> add_example_runs(Model& model);

}  // namespace lockstep::codegen
