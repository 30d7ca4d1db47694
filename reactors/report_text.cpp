// The report in sentences.
#include <fmt/format.h>

#include <iterator>

#include "reactors/report.hpp"

namespace lockstep::reactors {
namespace {

// What a watched program calls a file or an owner must not move the cursor of a terminal.
std::string printable(const std::string& text) {
    std::string shown;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f)
            shown += fmt::format("\\x{:02x}", byte);
        else
            shown += c;
    }
    return shown;
}

// 18446744073709551615 is how a tracepoint says "to the end"; nobody recognises it.
std::string shown(const NamedValue& value) {
    if (value.is_string) return fmt::format("\"{}\"", printable(value.value));
    return value.value == "18446744073709551615" ? "2^64-1" : value.value;
}

std::string listed(const std::vector<NamedValue>& values, const char* separator) {
    std::string text;
    for (const NamedValue& value : values) {
        if (!text.empty()) text += separator;
        text += fmt::format("{}={}", value.name, shown(value));
    }
    return text;
}

std::string where(const EventOrigin& origin) {
    std::string text = fmt::format("pid {} tid {}", origin.vpid, origin.vtid);
    if (origin.net_ns != 0) text += fmt::format(" net_ns {}", origin.net_ns);
    return text;
}

std::string allowed(const Report& report) {
    if (report.event_is_guarded) return fmt::format("no guard of \"{}\" held", report.event);
    std::string text;
    for (const std::string& event : report.allowed_events) text += (text.empty() ? "" : ", ") + event;
    return text.empty() ? "no event is allowed there" : "allowed there: " + text;
}

// The time before the violation: what a reader compares.
std::string before(const EventOrigin& event, const EventOrigin& violation) {
    if (event.time_ns == 0 || event.time_ns > violation.time_ns) return "";
    return fmt::format("-{:.6f} s", static_cast<double>(violation.time_ns - event.time_ns) / 1e9);
}

void tell_registers(const Report& report, std::string& text) {
    for (const RegisterValue& value : report.registers) {
        if (value.rows.empty()) text += fmt::format("  {} ({}): empty\n", value.name, value.kind);
        for (const auto& row : value.rows)
            text += fmt::format("  {} ({}): {}\n", value.name, value.kind, listed(row, " "));
        if (value.rows_omitted != 0) text += fmt::format("  {}: {} more\n", value.name, value.rows_omitted);
    }
}

void tell_history(const Report& report, std::string& text) {
    if (report.history.empty()) return;
    text += "  what led there:\n";
    if (report.history_omitted != 0) text += fmt::format("    … {} earlier\n", report.history_omitted);
    for (const HistoryEvent& event : report.history)
        text += fmt::format("    {:>14}  {} -> {}  {}({})  {}\n", before(event.origin, report.origin), event.from_state,
                            event.to_state, event.event, listed(event.fields, ", "), where(event.origin));
    if (!report.event.empty())
        text += fmt::format("    {:>14}  {} -> ?  {}({})  {}\n", "now", report.state, report.event,
                            listed(report.fields, ", "), where(report.origin));
}

}  // namespace

std::string to_text(const Report& report) {
    std::string text = fmt::format("{} violated", report.monitor);
    if (!report.keys.empty()) text += " for " + listed(report.keys, " ");
    if (report.event.empty())
        text += fmt::format("\n  in state {}: its time was over; {}\n", report.state, allowed(report));
    else
        text += fmt::format("\n  in state {}: event {}({})\n  from {} of {}; {}\n", report.state, report.event,
                            listed(report.fields, ", "), report.tracepoint, where(report.origin), allowed(report));
    tell_registers(report, text);
    tell_history(report, text);
    return text;
}

}  // namespace lockstep::reactors
