#include "cli/run_violation.hpp"

#include <nlohmann/json.hpp>

namespace lockstep::cli {
namespace {

using nlohmann::json;

std::vector<harness::Field> fields_of(const std::vector<reactors::NamedValue>& values) {
    std::vector<harness::Field> fields;
    for (const reactors::NamedValue& value : values) fields.push_back({value.name, value.value});
    return fields;
}

std::vector<harness::Field> fields_of(const json& values) {
    std::vector<harness::Field> fields;
    for (const auto& [name, value] : values.items()) fields.push_back({name, value.get<std::string>()});
    return fields;
}

void set_origin(harness::ContextEvent& event, const reactors::EventOrigin& origin) {
    event.time_ns = origin.time_ns;
    event.net_ns = origin.net_ns;
    event.pid = origin.vpid;
    event.tid = origin.vtid;
}

void set_origin(harness::ContextEvent& event, const json& origin) {
    event.time_ns = origin.at("time_ns");
    event.net_ns = origin.at("net_ns");
    event.pid = origin.at("vpid");
    event.tid = origin.at("vtid");
}

}  // namespace

harness::Violation violation_of(const reactors::Report& report) {
    harness::Violation violation;
    violation.keys = fields_of(report.keys);
    set_origin(violation.event, report.origin);
    violation.event.name = report.event;
    violation.event.fields = fields_of(report.fields);
    violation.event.from_state = report.state;
    violation.tracepoint = report.tracepoint;
    violation.allowed_events = report.allowed_events;
    violation.event_is_guarded = report.event_is_guarded;
    for (const reactors::RegisterValue& value : report.registers) {
        harness::RegisterContent& content =
            violation.registers.emplace_back(harness::RegisterContent{value.name, value.kind, {}});
        for (const auto& row : value.rows) content.rows.push_back(fields_of(row));
    }
    for (const reactors::HistoryEvent& past : report.history) {
        harness::ContextEvent& event = violation.history.emplace_back();
        set_origin(event, past.origin);
        event.name = past.event;
        event.fields = fields_of(past.fields);
        event.from_state = past.from_state;
        event.to_state = past.to_state;
    }
    violation.history_omitted = report.history_omitted;
    violation.dot_source = report.dot_source;
    return violation;
}

harness::Violation violation_of(const json& report) {
    harness::Violation violation;
    violation.keys = fields_of(report.at("keys"));
    set_origin(violation.event, report.at("origin"));
    violation.event.name = report.at("event");
    violation.event.fields = fields_of(report.at("fields"));
    violation.event.from_state = report.at("state");
    violation.tracepoint = report.at("tracepoint");
    violation.allowed_events = report.at("allowed_events").get<std::vector<std::string>>();
    violation.event_is_guarded = report.at("event_is_guarded");
    for (const json& value : report.at("registers")) {
        harness::RegisterContent& content =
            violation.registers.emplace_back(harness::RegisterContent{value.at("name"), value.at("kind"), {}});
        for (const json& row : value.at("rows")) content.rows.push_back(fields_of(row));
    }
    for (const json& past : report.at("history")) {
        harness::ContextEvent& event = violation.history.emplace_back();
        set_origin(event, past.at("origin"));
        event.name = past.at("event");
        event.fields = fields_of(past.at("fields"));
        event.from_state = past.at("from_state");
        event.to_state = past.at("to_state");
    }
    violation.history_omitted = report.at("history_omitted");
    violation.dot_source = report.at("dot_source");
    return violation;
}

}  // namespace lockstep::cli
