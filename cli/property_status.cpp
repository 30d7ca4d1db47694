#include "cli/property_status.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep::cli {
namespace {

using nlohmann::json;

std::uint64_t count(const json& property, const char* name) {
    return property.at("counters").at(name).get<std::uint64_t>();
}

std::string joined(const json& texts, const char* separator) {
    std::string all;
    for (const json& text : texts) all += (all.empty() ? "" : separator) + text.get<std::string>();
    return all;
}

std::uint64_t edges_taken(const json& property) {
    const json& edges = property.at("edges");
    return static_cast<std::uint64_t>(
        std::count_if(edges.begin(), edges.end(), [](const json& edge) { return edge.at("taken") != 0; }));
}

void explain(const json& property) {
    const auto name = property.at("name").get<std::string>();
    const auto tell = [&name](const char* what, const std::string& text) {
        if (!text.empty()) fmt::print("{}: {}{}\n", name, what, text);
    };
    tell("", joined(property.at("reasons"), "; "));
    tell("of the group ", property.at("group"));
    if (property.at("paused").get<bool>()) tell("", "paused");
    tell("judged as it was when it was attached; it was changed since: ", property.at("changed_source"));
    const std::uint64_t taken = edges_taken(property), edges = property.at("edges").size();
    if (taken < edges) tell("", fmt::format("{} of {} edges taken", taken, edges));
    tell("never seen: ", joined(property.at("unseen_events"), ", "));
    tell("this process has no tracepoint ", joined(property.at("absent_tracepoints"), ", "));
    for (const json& report : property.at("reports")) {
        fmt::print("{}: violated{}: in state {}, event {}\n", name, keys_text(report),
                   report.at("state").get<std::string>(), report.at("event").get<std::string>());
    }
}

// A label's value: backslash, quote and newline are escaped.
std::string label_value(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
        if (c == '\\' || c == '"') escaped += '\\';
        escaped += c == '\n' ? std::string("\\n") : std::string(1, c);
    }
    return escaped;
}

// Prometheus wants all samples of a metric together, after its type.
template <class Value>
void add_metric(std::string& text, const std::vector<json>& properties, const std::string& name, const char* type,
                Value value) {
    text += fmt::format("# TYPE lockstep_{} {}\n", name, type);
    for (const json& property : properties)
        text += fmt::format("lockstep_{}{{pid=\"{}\",property=\"{}\"}} {}\n", name, property.at("pid").get<int>(),
                            label_value(property.at("name").get<std::string>()), value(property));
}

}  // namespace

std::string keys_text(const json& report) {
    std::string keys;
    for (const auto& [key, value] : report.at("keys").items())
        keys += fmt::format(" {}={}", key, value.get<std::string>());
    return keys;
}

void print_properties(const std::vector<json>& properties, bool as_json) {
    if (as_json) {
        fmt::print("{}\n", json(properties).dump(2));
        return;
    }
    fmt::print("{:<24} {:<13} {:>12} {:>10} {:>8} {:>10}  {}\n", "property", "verdict", "events", "contexts", "pending",
               "violations", "reactors");
    for (const json& property : properties)
        fmt::print("{:<24} {:<13} {:>12} {:>10} {:>8} {:>10}  {}\n", property.at("name").get<std::string>(),
                   property.at("verdict").get<std::string>(), count(property, "events"),
                   count(property, "contexts_created"), count(property, "contexts_pending"),
                   count(property, "violations"), joined(property.at("reactors"), " "));
    for (const json& property : properties) explain(property);
}

std::string to_prometheus(const std::vector<json>& properties) {
    std::string text;
    if (properties.empty()) return text;
    for (const auto& [name, unused] : properties.front().at("counters").items()) {
        const bool goes_down = name == "contexts_alive" || name == "contexts_pending";
        add_metric(
            text, properties, goes_down ? name : name + "_total", goes_down ? "gauge" : "counter",
            [&name = name](const json& property) { return property.at("counters").at(name).get<std::uint64_t>(); });
    }
    add_metric(text, properties, "edges", "gauge", [](const json& property) { return property.at("edges").size(); });
    add_metric(text, properties, "edges_taken", "gauge", edges_taken);
    add_metric(text, properties, "unseen_events", "gauge",
               [](const json& property) { return property.at("unseen_events").size(); });
    add_metric(text, properties, "paused", "gauge",
               [](const json& property) { return property.at("paused").get<bool>() ? 1 : 0; });
    add_metric(text, properties, "source_changed", "gauge",
               [](const json& property) { return property.at("changed_source") == "" ? 0 : 1; });
    for (const char* verdict : {"ok", "violated", "inconclusive"})
        add_metric(text, properties, std::string("verdict_") + verdict, "gauge",
                   [verdict](const json& property) { return property.at("verdict") == verdict ? 1 : 0; });
    return text;
}

void print_loss(std::uint64_t lost, std::uint64_t losses, std::uint64_t first_event_ns, std::uint64_t lost_since_ns) {
    if (losses == 0) return;
    std::string since = "at an unknown time";
    if (lost_since_ns != 0 && first_event_ns != 0 && lost_since_ns >= first_event_ns)
        since = fmt::format("since {:.6f} s after the first event",
                            static_cast<double>(lost_since_ns - first_event_ns) / 1e9);
    else if (lost_since_ns != 0)
        since = fmt::format("since before the first event that was read (trace time {} ns)", lost_since_ns);
    fmt::print(stderr, "lockstep: {} events were lost, {}\n", lost, since);
}

void print_read_again(const std::string& because) {
    if (!because.empty()) fmt::print(stderr, "lockstep: judged from the recorded trace; live, {}\n", because);
}

ExitStatus exit_status_of(const std::vector<json>& properties) {
    ExitStatus worst = properties.empty() ? exit_inconclusive : exit_ok;
    for (const json& property : properties) {
        if (property.at("verdict") == "violated") return exit_violated;
        if (property.at("verdict") == "inconclusive") worst = exit_inconclusive;
    }
    return worst;
}

}  // namespace lockstep::cli
