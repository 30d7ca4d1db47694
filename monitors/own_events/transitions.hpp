// lockstep:transition: what the contexts of a monitor do, for who records with LTTng.
#pragma once

#include "monitors/runtime/instance.hpp"

namespace lockstep::monitors {

// From now on the instance's transitions are events of LTTng, fired by the thread that delivers; while nobody records
// them they cost the probe a load and a branch. Both arguments outlive every probe. Before events are delivered.
void fire_transitions(MonitorInstance& instance, const MonitorDescriptor& descriptor);

}  // namespace lockstep::monitors
