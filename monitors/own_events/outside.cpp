// liblockstep_outside_events.so: fires lockstep:violation and lockstep:transition for a verifier that watches from
// outside, or reads a trace. A library of its own, loaded when that begins: LTTng-UST comes with threads, which no
// other command shall have (some fork).
#include "monitors/own_events/outside.hpp"

#include "monitors/own_events/transitions.hpp"
#include "monitors/own_events/violations.hpp"

void lockstep_fire_own_events(lockstep::monitors::Monitor& monitor) {
    lockstep::monitors::fire_transitions(*monitor.instance(), monitor.descriptor());
    lockstep::monitors::fire_violations(monitor);
}
