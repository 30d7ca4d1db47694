#include "monitors/own_events/transitions.hpp"

#include "monitors/runtime/line_text.hpp"
#include "tracepoints/lockstep.tp"

namespace lockstep::monitors {
namespace {

void fire(const void* data, const MonitorInstance& instance, const Transition& transition) {
    const auto& descriptor = *static_cast<const MonitorDescriptor*>(data);
    LineText key;
    key.add_keys(descriptor, instance, transition.key);
    const bool was_unknown = transition.from_state == unknown_state;
    lttng_ust_do_tracepoint(
        lockstep, transition, descriptor.name, key.text(), was_unknown ? "" : descriptor.states[transition.from_state],
        descriptor.events[transition.event].name, descriptor.states[transition.to_state], transition.step);
}

}  // namespace

void fire_transitions(MonitorInstance& instance, const MonitorDescriptor& descriptor) {
    instance.follow_transitions(&lttng_ust_tracepoint_lockstep___transition.state, fire, &descriptor);
}

}  // namespace lockstep::monitors
