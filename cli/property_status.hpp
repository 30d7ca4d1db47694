// How the state of attached properties is printed, by `status` and `detach`.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "cli/command.hpp"

namespace lockstep::cli {

// Each is a property of an agent's status. With `as_json` one array, else a table and what needs explaining.
void print_properties(const std::vector<nlohmann::json>& properties, bool as_json);

// The Prometheus text format, for node_exporter's textfile collector. `pid` labels every value.
void print_prometheus(int pid, const std::vector<nlohmann::json>& properties);

// The worst verdict: violated before inconclusive before ok.
ExitStatus exit_status_of(const std::vector<nlohmann::json>& properties);

}  // namespace lockstep::cli
