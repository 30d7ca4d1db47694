// lockstep:violation: a context has left its model, for who records with LTTng.
#pragma once

#include "monitors/runtime/line_text.hpp"
#include "monitors/runtime/monitor.hpp"

namespace lockstep::monitors {

// Whether anybody records it; until then nothing need be put together. A load.
bool violations_are_recorded();

// `line` is the record's violation_line(). Any thread; neither allocates nor locks.
void fire_violation(const MonitorDescriptor& descriptor, const ViolationRecord& record, LineText& line);

// From now on the monitor's violations are events of LTTng, fired by the thread that delivers, right after the event
// and the transitions before it. For a monitor that nobody else reacts in place for; it outlives its last event.
void fire_violations(Monitor& monitor);

}  // namespace lockstep::monitors
