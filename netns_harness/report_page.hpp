// A run's result for people with a browser, and for continuous integration.
#pragma once

#include <map>
#include <string>

#include "netns_harness/result.hpp"

namespace lockstep::harness {

// One HTML page that needs no network: the verdicts, each automaton (SVG, by property; with or without some), the
// counterexamples as lanes in time, events a second. `json`: what to_json() wrote, now or in a former run. Throws Error
// when it is no such thing.
std::string to_page(const std::string& json, const std::map<std::string, std::string>& automata);

// JUnit's XML, a test case a property and one for the workload's oracle: violated is a failure, inconclusive an error.
std::string to_junit(const RunResult& result);

}  // namespace lockstep::harness
