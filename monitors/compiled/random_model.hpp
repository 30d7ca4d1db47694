// Automata by chance, as DOT texts: for comparing compiled code with the interpreter on more than people think of. The
// same seed gives the same text. Nearly all of them pass the checker; those that it turns away (a guard that can't
// hold, two that it can't tell apart) are left out by who asks.
#pragma once

#include <cstdint>
#include <string>

namespace lockstep::monitors {

// The tracepoints that the models listen to, as a .tp file declares them.
extern const char* const random_tracepoints;

// 2 to 8 states, 2 to 5 events, keys, registers of every kind, guards, actions, clocks and invariants.
std::string random_model(std::uint64_t seed);

}  // namespace lockstep::monitors
