// A violation as monitors report it, in the form in which the harness explains it.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "netns_harness/result.hpp"
#include "reactors/report.hpp"

namespace lockstep::cli {

harness::Violation violation_of(const reactors::Report& report);

// From reactors::to_json's text, parsed, as an agent sends it. Throws nlohmann::json::exception when it is something
// else.
harness::Violation violation_of(const nlohmann::json& report);

}  // namespace lockstep::cli
