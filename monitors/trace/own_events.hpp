// Lockstep's own LTTng events (tracepoints/lockstep.tp), of monitors that are fed in this process.
#pragma once

#include "monitors/runtime/monitor.hpp"

namespace lockstep::monitors {

// From now on the monitor's transitions and violations are events of LTTng, fired by the thread that delivers; until
// somebody records them a transition costs a load and a branch. Nobody else may react in place for the monitor. Loads
// LTTng-UST, whose threads stay: a process that forks does not call this before. Throws MonitorError.
void fire_own_events(Monitor& monitor);

}  // namespace lockstep::monitors
