// From a checked model to the C++ of its monitor: one readable C++17 translation unit, to be compiled into a shared
// object that exports the descriptor of monitors/runtime/descriptor.hpp. The form of it is described in README.md of
// this folder.
#pragma once

#include <stdexcept>
#include <string>

#include "codegen/model.hpp"

namespace lockstep::codegen {

// A model that is correct and yet cannot be compiled; what() is one sentence that names the limit.
class EmitError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// How the automaton itself is written. Both take the same edges and give the same steps.
enum class Encoding {
    automatic,  // msm up to msm_most_states and msm_most_edges, branches above
    boost_msm,  // a Boost.MSM state machine used as a stepper: compile time grows steeply with its size
    branches    // a function an event with a branch a state: any size
};
inline constexpr std::size_t msm_most_states = 20;
inline constexpr std::size_t msm_most_edges = 50;

struct EmitOptions {
    Encoding encoding = Encoding::automatic;
};

// Throws EmitError. Pure: the same model gives the same text.
std::string emit_monitor(const Model& model, const EmitOptions& options = {});

}  // namespace lockstep::codegen
