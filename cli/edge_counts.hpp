// How often edges were taken, as `status`, `verify` and `run` write it in JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "codegen/drawing.hpp"

namespace lockstep::cli {

// Of an array [{"from_state", "event", "to_state", "line", "taken"}]. Throws nlohmann::json::exception.
std::vector<codegen::EdgeCount> edge_counts_of(const nlohmann::json& edges);

}  // namespace lockstep::cli
