#include "monitors/runtime/violation_line.hpp"

namespace lockstep::monitors {

LineText violation_line(const MonitorDescriptor& descriptor, const MonitorInstance& instance,
                        const ViolationRecord& record) {
    LineText line;
    line.add("lockstep: ");
    line.add(descriptor.name);
    line.add(" violated");
    if (descriptor.key_count != 0) line.add(" for ");
    line.add_keys(descriptor, instance, record.key);
    line.add(": in state ");
    line.add(descriptor.states[record.state]);
    if (record.event == no_event) {
        line.add(", its time was over");
        return line;
    }
    const EventDescriptor& event = descriptor.events[record.event];
    line.add(", event ");
    line.add(event.name);
    line.add('(');
    for (std::uint32_t i = 0; i < event.field_count; ++i) {
        if (i != 0) line.add(", ");
        line.add_value(instance, event.fields[i].name, event.fields[i].type, record.fields[i]);
    }
    line.add(") of pid ");
    line.add_number(record.origin.vpid);
    line.add(" tid ");
    line.add_number(record.origin.vtid);
    return line;
}

}  // namespace lockstep::monitors
