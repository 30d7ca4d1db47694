// A summary as JSON: what the agent answers and what `--json` prints.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "monitors/runtime/monitor.hpp"

namespace lockstep::monitors {

// {"name", "verdict", "reasons": […], "counters": {…}, "edges": [{"from_state", "event", "to_state", "line", "taken"}],
//  "unseen_events": […], "pending": [{"keys": {…}, "state"}]}
nlohmann::json to_json(const Summary& summary);

}  // namespace lockstep::monitors
