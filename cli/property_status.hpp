// How the state of attached properties is printed, by `status` and `detach`.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.hpp"

namespace lockstep::cli {

// Each is a property of an agent's status. With `as_json` one array, else a table and what needs explaining.
void print_properties(const std::vector<nlohmann::json>& properties, bool as_json);

// Which context a report of a property's "reports" is about: " file=x owner=y"; empty: the only one.
std::string keys_text(const nlohmann::json& report);

// The Prometheus text format: counters, coverage and verdicts. Each property also has the "pid" of its process.
std::string to_prometheus(const std::vector<nlohmann::json>& properties);

// Says on stderr how many events the tracer lost and since when; nothing when none. Times by the trace's clock; 0:
// unknown. `losses`: separate reports, of which some may not know their number.
void print_loss(std::uint64_t lost, std::uint64_t losses, std::uint64_t first_event_ns, std::uint64_t lost_since_ns);

// Says on stderr that the verdicts come from the recorded trace, because live reading broke off; nothing for "".
void print_read_again(const std::string& because);

// The worst verdict: violated before inconclusive before ok. Where nothing is attached, nothing is known: inconclusive.
ExitStatus exit_status_of(const std::vector<nlohmann::json>& properties);

}  // namespace lockstep::cli
