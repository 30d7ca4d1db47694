#include "cli/watch_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "cli/property_status.hpp"
#include "cli/terminal.hpp"

namespace lockstep::cli {
namespace {

using nlohmann::json;

constexpr std::size_t busiest_shown = 3;
constexpr std::string_view headings = "{:>7} {:<{}} {:<12} {:>8} {:>8} {:>8} {:>10}";
constexpr std::size_t other_columns = 7 + 1 + 1 + 12 + 1 + 8 + 1 + 8 + 1 + 8 + 1 + 10;

std::uint64_t counter(const json& property, const char* name) {
    return property.at("counters").at(name).get<std::uint64_t>();
}

std::string short_number(double value) {
    if (value < 10'000) return fmt::format("{:.0f}", value);
    if (value < 10'000'000) return fmt::format("{:.1f} k", value / 1000);
    if (value < 10'000'000'000) return fmt::format("{:.1f} M", value / 1'000'000);
    return fmt::format("{:.1f} G", value / 1'000'000'000);
}

std::string edge_name(const json& edge) {
    return fmt::format("{} -{}-> {}", edge.at("from_state").get<std::string>(), edge.at("event").get<std::string>(),
                       edge.at("to_state").get<std::string>());
}

std::map<std::string, std::uint64_t> edges_of(const json& property) {
    std::map<std::string, std::uint64_t> edges;
    for (const json& edge : property.at("edges")) edges[edge_name(edge)] += edge.at("taken").get<std::uint64_t>();
    return edges;
}

std::string coloured(std::string line, const std::string& verdict) {
    const char* code = verdict == "ok" ? "\033[32m" : verdict == "violated" ? "\033[1;31m" : "\033[33m";
    const auto at = line.find(" " + verdict);
    if (at == std::string::npos) return line;
    return line.insert(at + 1 + verdict.size(), "\033[0m").insert(at + 1, code);
}

}  // namespace

void WatchView::look(const std::vector<json>& properties, Clock::time_point at) {
    std::set<std::pair<int, std::string>> seen;
    for (const json& property : properties) {
        const std::pair name{property.at("pid").get<int>(), property.at("name").get<std::string>()};
        Row row{property, at, false, std::nullopt, {}};
        if (const auto before = rows_.find(name); before != rows_.end() && !before->second.ended)
            add_rates(row, before->second);
        rows_[name] = std::move(row);
        seen.insert(name);
    }
    for (auto& [name, row] : rows_)
        if (!seen.contains(name)) row.ended = true;
}

void WatchView::add_rates(Row& row, const Row& before) {
    const double seconds = std::max(std::chrono::duration<double>(row.at - before.at).count(), 1e-3);
    const auto rate = [seconds](std::uint64_t now, std::uint64_t then) {
        return static_cast<double>(now - std::min(now, then)) / seconds;
    };
    row.events_per_s = rate(counter(row.property, "events"), counter(before.property, "events"));
    const auto former = edges_of(before.property);
    for (const auto& [edge, taken] : edges_of(row.property))
        if (const auto then = former.find(edge); then != former.end() && taken > then->second)
            row.busiest.emplace_back(rate(taken, then->second), edge);
    std::ranges::sort(row.busiest, std::greater());
    row.busiest.resize(std::min(row.busiest.size(), busiest_shown));
}

std::size_t WatchView::name_width(ViewSize size) const {
    std::size_t longest = std::string_view("property").size();
    for (const auto& [name, row] : rows_) longest = std::max(longest, name.second.size());
    if (size.columns == 0) return longest;
    const std::size_t left = size.columns > other_columns ? size.columns - other_columns : 0;
    return std::clamp(longest, std::size_t{8}, std::max(left, std::size_t{8}));
}

std::vector<std::string> WatchView::lines(ViewSize size, bool details, bool colour) const {
    std::vector<std::string> lines;
    const std::size_t width = name_width(size);
    lines.push_back(fitted(fmt::format(fmt::runtime(headings), "process", "property", width, "verdict", "events/s",
                                       "contexts", "pending", "violations"),
                           size.columns));
    for (const auto& [name, row] : rows_) {
        const json& property = row.property;
        const auto verdict = property.at("verdict").get<std::string>();
        const std::string rate = row.ended          ? "ended"
                                 : row.events_per_s ? short_number(*row.events_per_s)
                                                    : std::string();
        std::string line =
            fitted(fmt::format(fmt::runtime(headings), name.first, fitted(name.second, width), width, verdict, rate,
                               short_number(static_cast<double>(counter(property, "contexts_alive"))),
                               short_number(static_cast<double>(counter(property, "contexts_pending"))),
                               short_number(static_cast<double>(counter(property, "violations")))),
                   size.columns);
        lines.push_back(colour ? coloured(std::move(line), verdict) : line);
        if (!details && property.at("reports").empty()) continue;
        std::vector<std::string> below;
        add_details(below, row);
        if (!details) below.erase(below.begin(), below.end() - 1);
        for (const std::string& each : below) lines.push_back(fitted(each, size.columns));
    }
    if (rows_.empty()) lines.push_back(fitted("no property is attached anywhere", size.columns));
    if (size.rows != 0 && lines.size() > size.rows) {
        const std::size_t hidden = lines.size() - size.rows + 1;
        lines.resize(size.rows - 1);
        lines.push_back(
            fitted(fmt::format("{:>7} {} more lines: a higher window, or --in-process, shows them", "", hidden),
                   size.columns));
    }
    return lines;
}

void WatchView::add_details(std::vector<std::string>& lines, const Row& row) const {
    const auto tell = [&lines](std::string_view what, const std::string& text) {
        if (!text.empty()) lines.push_back(fmt::format("{:>7} {:<15} {}", "", what, text));
    };
    std::string states;
    for (const json& state : row.property.at("states"))
        if (const auto contexts = state.at("contexts").get<std::uint64_t>(); contexts != 0)
            states += fmt::format("{}{} {}", states.empty() ? "" : ", ", state.at("state").get<std::string>(),
                                  short_number(static_cast<double>(contexts)));
    tell("contexts", states);
    std::string busiest;
    for (const auto& [rate, edge] : row.busiest)
        busiest += fmt::format("{}{} {}/s", busiest.empty() ? "" : ", ", edge, short_number(rate));
    tell("busiest", busiest);
    std::string reasons;
    for (const json& reason : row.property.at("reasons"))
        reasons += (reasons.empty() ? "" : "; ") + reason.get<std::string>();
    tell("why", reasons);
    if (row.property.at("paused").get<bool>()) tell("paused", "until lockstep resume");
    tell("changed since", row.property.at("changed_source"));
    const json& reports = row.property.at("reports");
    if (!reports.empty())
        tell("last violation:",
             fmt::format("in state {}, event {}{}", reports.back().at("state").get<std::string>(),
                         reports.back().at("event").get<std::string>(),
                         keys_text(reports.back()).empty() ? "" : ", of" + keys_text(reports.back())));
}

std::vector<json> WatchView::all() const {
    std::vector<json> all;
    for (const auto& [name, row] : rows_) {
        all.push_back(row.property);
        all.back()["ended"] = row.ended;
    }
    return all;
}

}  // namespace lockstep::cli
