// Runs made up for a model: for each edge one that takes it, for each event that a state forbids one that is violated
// by it, for each invariant one whose time runs out. Found by a seeded search on the interpreter, over values that the
// model's own guards compare with. What the search does not reach is told: then an author knows what no test covers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "codegen/interpreter.hpp"
#include "codegen/model.hpp"
#include "codegen/tracepoint_hit.hpp"

namespace lockstep::codegen {

struct GeneratedRun {
    std::vector<TracepointHit> hits;  // the last one is what the run was made for
    bool violated = false;            // by the last hit, and only by it
    std::string text;                 // as an example: "open(door_id=1) close(door_id=1)"
};

struct ForbiddenEvent {
    std::uint32_t state = 0;
    std::uint32_t event = no_event;  // no_event: the state's invariant
    friend auto operator<=>(const ForbiddenEvent&, const ForbiddenEvent&) = default;
};

struct GeneratedRuns {
    std::vector<GeneratedRun> runs;
    // Events without an edge in a state in which a context may wait for one, and invariants.
    std::size_t forbidden = 0;
    std::vector<std::uint32_t> missed_edges;       // into Model::edges
    std::vector<ForbiddenEvent> missed_forbidden;  // of `forbidden`
};

// Throws std::invalid_argument when a parameter has no value. The model must have bindings; see with_made_up_bindings.
GeneratedRuns generate_runs(const Model& model, std::uint64_t seed = 1);

// A bare automaton with a tracepoint `bare:EVENT` without fields for each of its events, so that it can be run and
// compiled; other models are returned as they are. Where no event would start a context (the kernel's C code says when),
// those that are legal in the initial state do.
Model with_made_up_bindings(Model model);

}  // namespace lockstep::codegen
