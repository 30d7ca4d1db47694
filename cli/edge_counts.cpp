#include "cli/edge_counts.hpp"

#include <nlohmann/json.hpp>

namespace lockstep::cli {

std::vector<codegen::EdgeCount> edge_counts_of(const nlohmann::json& edges) {
    std::vector<codegen::EdgeCount> counts;
    for (const nlohmann::json& edge : edges)
        counts.push_back(
            {edge.at("from_state"), edge.at("event"), edge.at("to_state"), edge.at("line"), edge.at("taken")});
    return counts;
}

}  // namespace lockstep::cli
