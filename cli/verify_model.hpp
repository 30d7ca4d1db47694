// lockstep verify --model NAME TRACE: what no automaton of one object can say.
#pragma once

#include <string>
#include <vector>

namespace lockstep::cli {

// The names that --model knows.
std::vector<std::string> verification_models();

// Judges the trace in the directory and prints the result, as text or as one JSON object. Returns the exit status: 0
// ok, 1 violated, 3 inconclusive. Throws TraceError when there is no trace that can be opened.
int verify_by_model(const std::string& model, const std::string& trace, bool as_json);

}  // namespace lockstep::cli
