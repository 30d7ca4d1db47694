// The functions of liblockstep_outside_events.so: Lockstep's own LTTng events, of a verifier that watches from outside.
#pragma once

#include "monitors/runtime/instance.hpp"
#include "reactors/report.hpp"

extern "C" {

// Fires lockstep:violation; nothing is put together while nobody records. Any thread.
void lockstep_record_violation(const lockstep::reactors::Report& report);

// lockstep::monitors::fire_transitions().
void lockstep_fire_transitions(lockstep::monitors::MonitorInstance& instance,
                               const lockstep::monitors::MonitorDescriptor& descriptor);
}
