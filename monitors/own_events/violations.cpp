#include "monitors/own_events/violations.hpp"

#include "monitors/runtime/violation_line.hpp"
#include "tracepoints/lockstep.tp"

namespace lockstep::monitors {
namespace {

void fire_if_recorded(void* data, const ViolationRecord* record) {
    if (record == nullptr || !violations_are_recorded()) return;
    Monitor& monitor = *static_cast<Monitor*>(data);
    LineText line = violation_line(monitor.descriptor(), *monitor.instance(), *record);
    fire_violation(monitor.descriptor(), *record, line);
}

}  // namespace

bool violations_are_recorded() {
    return lttng_ust_tracepoint_enabled(lockstep, violation) != 0;
}

void fire_violation(const MonitorDescriptor& descriptor, const ViolationRecord& record, LineText& line) {
    lttng_ust_do_tracepoint(lockstep, violation, descriptor.name, descriptor.states[record.state],
                            record.event == no_event ? "" : descriptor.events[record.event].name, line.text());
}

void fire_violations(Monitor& monitor) {
    monitor.instance()->react_in_place(fire_if_recorded, &monitor);
}

}  // namespace lockstep::monitors
