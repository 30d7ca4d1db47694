// The function of liblockstep_outside_events.so: Lockstep's own LTTng events, of a verifier outside the watched
// process.
#pragma once

#include "monitors/runtime/monitor.hpp"

// fire_transitions() and fire_violations() of lockstep::monitors.
extern "C" void lockstep_fire_own_events(lockstep::monitors::Monitor& monitor);
