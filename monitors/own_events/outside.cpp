// liblockstep_outside_events.so: fires lockstep:violation and lockstep:transition for a verifier that watches from
// outside. A library of its own, loaded when such watching begins: LTTng-UST comes with threads, which no other command
// shall have (some fork).
#include "monitors/own_events/outside.hpp"

#include <algorithm>
#include <string>

#include "monitors/own_events/transitions.hpp"
#include "tracepoints/lockstep.tp"

void lockstep_record_violation(const lockstep::reactors::Report& report) {
    if (!lttng_ust_tracepoint_enabled(lockstep, violation)) return;
    std::string description = lockstep::reactors::to_text(report);
    description.resize(std::min<std::size_t>(description.find('\n'), 1023));
    lttng_ust_do_tracepoint(lockstep, violation, report.monitor.c_str(), report.state.c_str(), report.event.c_str(),
                            description.c_str());
}

void lockstep_fire_transitions(lockstep::monitors::MonitorInstance& instance,
                               const lockstep::monitors::MonitorDescriptor& descriptor) {
    lockstep::monitors::fire_transitions(instance, descriptor);
}
