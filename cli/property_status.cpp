#include "cli/property_status.hpp"

#include <fmt/format.h>

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

void explain(const json& property) {
    const auto name = property.at("name").get<std::string>();
    const auto tell = [&name](const char* what, const std::string& text) {
        if (!text.empty()) fmt::print("{}: {}{}\n", name, what, text);
    };
    tell("", joined(property.at("reasons"), "; "));
    if (property.at("paused").get<bool>()) tell("", "paused");
    tell("never seen: ", joined(property.at("unseen_events"), ", "));
    tell("this process has no tracepoint ", joined(property.at("absent_tracepoints"), ", "));
    for (const json& report : property.at("reports")) {
        std::string keys;
        for (const auto& [key, value] : report.at("keys").items())
            keys += fmt::format(" {}={}", key, value.get<std::string>());
        fmt::print("{}: violated{}: in state {}, event {}\n", name, keys, report.at("state").get<std::string>(),
                   report.at("event").get<std::string>());
    }
}

}  // namespace

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

void print_prometheus(int pid, const std::vector<json>& properties) {
    for (const json& property : properties) {
        const std::string labels =
            fmt::format("{{pid=\"{}\",property=\"{}\"}}", pid, property.at("name").get<std::string>());
        for (const auto& [name, value] : property.at("counters").items())
            fmt::print("lockstep_{}{} {}\n", name, labels, value.get<std::uint64_t>());
    }
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

ExitStatus exit_status_of(const std::vector<json>& properties) {
    ExitStatus worst = exit_ok;
    for (const json& property : properties) {
        if (property.at("verdict") == "violated") return exit_violated;
        if (property.at("verdict") == "inconclusive") worst = exit_inconclusive;
    }
    return worst;
}

}  // namespace lockstep::cli
