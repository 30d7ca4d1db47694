// The report as JSON: the structs of report.hpp, field by field. Integers of 64 bits are written as numbers: JSON has
// them, though JavaScript rounds them; values of events are text, so nothing that was observed is ever rounded.
#include <nlohmann/json.hpp>

#include "reactors/report.hpp"

namespace lockstep::reactors {
namespace {

using Json = nlohmann::ordered_json;

Json origin_json(const EventOrigin& origin) {
    return {{"time_ns", origin.time_ns},
            {"net_ns", origin.net_ns},
            {"vpid", origin.vpid},
            {"vtid", origin.vtid},
            {"cpu", origin.cpu}};
}

Json values_json(const std::vector<NamedValue>& values) {
    Json object = Json::object();
    for (const NamedValue& value : values) object[value.name] = value.value;
    return object;
}

Json registers_json(const std::vector<RegisterValue>& registers) {
    Json array = Json::array();
    for (const RegisterValue& value : registers) {
        Json rows = Json::array();
        for (const auto& row : value.rows) rows.push_back(values_json(row));
        array.push_back(
            {{"name", value.name}, {"kind", value.kind}, {"rows", rows}, {"rows_omitted", value.rows_omitted}});
    }
    return array;
}

Json history_json(const std::vector<HistoryEvent>& history) {
    Json array = Json::array();
    for (const HistoryEvent& event : history)
        array.push_back({{"origin", origin_json(event.origin)},
                         {"event", event.event},
                         {"fields", values_json(event.fields)},
                         {"from_state", event.from_state},
                         {"to_state", event.to_state}});
    return array;
}

}  // namespace

std::string to_json(const Report& report, int indent) {
    const Json json = {{"monitor", report.monitor},
                       {"keys", values_json(report.keys)},
                       {"origin", origin_json(report.origin)},
                       {"state", report.state},
                       {"event", report.event},
                       {"tracepoint", report.tracepoint},
                       {"fields", values_json(report.fields)},
                       {"allowed_events", report.allowed_events},
                       {"event_is_guarded", report.event_is_guarded},
                       {"registers", registers_json(report.registers)},
                       {"history", history_json(report.history)},
                       {"history_omitted", report.history_omitted},
                       {"dot_file", report.dot_file},
                       {"dot_source", report.dot_source}};
    // Strings come from a watched program and need not be UTF-8.
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace lockstep::reactors
