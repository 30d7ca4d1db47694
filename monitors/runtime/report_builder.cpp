#include "monitors/runtime/report_builder.hpp"

#include <fmt/format.h>

namespace lockstep::monitors {
namespace {

using reactors::NamedValue;
using reactors::RegisterValue;

reactors::EventOrigin to_report(const Origin& origin) {
    return {origin.time_ns, origin.net_ns, origin.vpid, origin.vtid, origin.cpu};
}

const char* kind_name(RegisterKind kind) {
    switch (kind) {
        case RegisterKind::integer:
            return "integer";
        case RegisterKind::flag:
            return "flag";
        case RegisterKind::clock:
            return "clock";
        case RegisterKind::set:
            return "set";
        case RegisterKind::map:
            return "map";
        case RegisterKind::ranges:
            return "ranges";
    }
    return "";
}

// The columns of a register's rows: their names and types, in the order of the dump's words.
std::vector<std::pair<const char*, FieldType>> columns(const RegisterDescriptor& descriptor) {
    constexpr FieldType number = FieldType::unsigned_integer;
    switch (descriptor.kind) {
        case RegisterKind::integer:
        case RegisterKind::flag:
            return {{"value", descriptor.key_type}};
        case RegisterKind::clock:
            return {{"elapsed_ns", number}};
        case RegisterKind::set:
            return {{"value", descriptor.key_type}};
        case RegisterKind::map:
            return {{"key", descriptor.key_type}, {"value", descriptor.value_type}};
        case RegisterKind::ranges:
            return {{"owner", descriptor.key_type}, {"first", number}, {"last", number}, {"mode", number}};
    }
    return {};
}

std::vector<RegisterValue> name_registers(const MonitorDescriptor& descriptor, const MonitorInstance& instance,
                                          const RegisterDump& dump) {
    std::vector<RegisterValue> values;
    std::uint32_t position = 0;
    for (std::uint32_t i = 0; i < descriptor.register_count && position + 2 <= dump.used(); ++i) {
        const RegisterDescriptor& described = descriptor.registers[i];
        RegisterValue value{described.name, kind_name(described.kind), {}, 0};
        const std::uint64_t size = dump[position++];
        const std::uint64_t told = dump[position++];
        for (std::uint64_t row = 0; row < told; ++row) {
            auto& cells = value.rows.emplace_back();
            for (const auto& [name, type] : columns(described))
                cells.push_back(name_value(instance, name, type, dump[position++]));
        }
        value.rows_omitted = size - told;
        values.push_back(std::move(value));
    }
    return values;
}

std::vector<NamedValue> name_fields(const EventDescriptor& event, const MonitorInstance& instance,
                                    const std::uint64_t* words) {
    std::vector<NamedValue> fields;
    for (std::uint32_t i = 0; i < event.field_count; ++i)
        fields.push_back(name_value(instance, event.fields[i].name, event.fields[i].type, words[i]));
    return fields;
}

void tell_allowed(const MonitorDescriptor& descriptor, const ViolationRecord& record, reactors::Report& report) {
    std::vector<bool> allowed(descriptor.event_count);
    for (std::uint32_t i = 0; i < descriptor.edge_count; ++i)
        if (descriptor.edges[i].from_state == record.state) allowed[descriptor.edges[i].event] = true;
    for (std::uint32_t event = 0; event < descriptor.event_count; ++event)
        if (allowed[event]) report.allowed_events.emplace_back(descriptor.events[event].name);
    report.event_is_guarded = record.event != no_event && allowed[record.event];
}

}  // namespace

NamedValue name_value(const MonitorInstance& instance, std::string name, FieldType type, std::uint64_t word) {
    switch (type) {
        case FieldType::unsigned_integer:
            return {std::move(name), fmt::format("{}", word), false};
        case FieldType::signed_integer:
            return {std::move(name), fmt::format("{}", static_cast<std::int64_t>(word)), false};
        case FieldType::string:
            break;
    }
    const char* text = instance.text_of(word);
    return {std::move(name), text != nullptr ? text : fmt::format("#{:016x}", word), true};
}

std::vector<NamedValue> name_keys(const MonitorDescriptor& descriptor, const MonitorInstance& instance,
                                  const std::uint64_t* key) {
    std::vector<NamedValue> keys;
    for (std::uint32_t i = 0; i < descriptor.key_count; ++i)
        keys.push_back(name_value(instance, descriptor.keys[i].name, descriptor.keys[i].type, key[i]));
    return keys;
}

reactors::Report build_report(const MonitorDescriptor& descriptor, const MonitorInstance& instance,
                              const ViolationRecord& record) {
    reactors::Report report;
    report.monitor = descriptor.name;
    report.keys = name_keys(descriptor, instance, record.key);
    report.origin = to_report(record.origin);
    report.state = descriptor.states[record.state];
    if (record.event != no_event) {
        const EventDescriptor& event = descriptor.events[record.event];
        const BindingDescriptor& binding = descriptor.bindings[record.binding];
        report.event = event.name;
        report.tracepoint = fmt::format("{}:{}", binding.provider, binding.tracepoint);
        report.fields = name_fields(event, instance, record.fields);
    }
    tell_allowed(descriptor, record, report);
    report.registers = name_registers(descriptor, instance, record.registers);
    for (std::uint32_t i = 0; i < record.history_count; ++i) {
        const TakenEvent& taken = record.history[i];
        const EventDescriptor& taken_event = descriptor.events[taken.event];
        report.history.push_back({to_report(taken.origin), taken_event.name,
                                  name_fields(taken_event, instance, taken.fields), descriptor.states[taken.from_state],
                                  descriptor.states[taken.to_state]});
    }
    report.history_omitted = record.history_omitted;
    report.dot_source = descriptor.dot_source;
    report.dot_file = descriptor.dot_file;
    return report;
}

}  // namespace lockstep::monitors
