// liblockstep_violation_event.so: fires lockstep:violation for a verifier that watches from outside. A library of its
// own, loaded when such watching begins: LTTng-UST comes with threads, which no other command shall have (some fork).
#include "monitors/violation_event/violation_event.hpp"

#include <algorithm>
#include <string>

#include "tracepoints/lockstep.tp"

void lockstep_record_violation(const lockstep::reactors::Report& report) {
    if (!lttng_ust_tracepoint_enabled(lockstep, violation)) return;
    std::string description = lockstep::reactors::to_text(report);
    description.resize(std::min<std::size_t>(description.find('\n'), 1023));
    lttng_ust_do_tracepoint(lockstep, violation, report.monitor.c_str(), report.state.c_str(), report.event.c_str(),
                            description.c_str());
}
