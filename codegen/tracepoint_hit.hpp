// One hit of a tracepoint, as a model's bindings see it: what tests deliver to the interpreter and to compiled
// monitors.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "codegen/interpreter.hpp"
#include "codegen/model.hpp"

namespace lockstep::codegen {

struct TracepointHit {
    std::uint32_t binding = no_event;  // into Model::bindings: one of its tracepoint; no_event: only time passes
    std::vector<Value> fields;         // of Binding::tracepoint_fields
    Circumstances where;
};

// Time passes up to the hit; then each binding of the tracepoint whose `when` holds delivers its event. What that did;
// nothing when it was no event of the model.
std::optional<Outcome> deliver(const Model& model, const TracepointHit& hit, Interpreter& interpreter);

}  // namespace lockstep::codegen
