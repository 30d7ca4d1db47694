// lockstep watch: attached properties, followed on the terminal.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/agents.hpp"
#include "cli/command.hpp"
#include "cli/property_status.hpp"

namespace lockstep::cli {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

struct Options {
    std::string process;
    double interval_s = 1;
    std::uint64_t count = 0;  // 0: until it is ended
};

volatile sig_atomic_t stopped = 0;

void note_stop(int) {
    stopped = 1;
}

// What a line needs of the former look: counters, and when.
struct Look {
    std::map<std::string, std::uint64_t> counters;
    std::map<std::string, std::uint64_t> edges;
    Clock::time_point at;
};

std::string edge_name(const json& edge) {
    return fmt::format("{} -{}-> {}", edge.at("from_state").get<std::string>(), edge.at("event").get<std::string>(),
                       edge.at("to_state").get<std::string>());
}

Look look_of(const json& property) {
    Look look;
    look.at = Clock::now();
    for (const auto& [name, value] : property.at("counters").items()) look.counters[name] = value;
    for (const json& edge : property.at("edges")) look.edges[edge_name(edge)] += edge.at("taken").get<std::uint64_t>();
    return look;
}

std::string short_number(double value) {
    if (value < 10'000) return fmt::format("{:.0f}", value);
    if (value < 10'000'000) return fmt::format("{:.1f} k", value / 1000);
    return fmt::format("{:.1f} M", value / 1'000'000);
}

class Watch {
 public:
    explicit Watch(const Options& options)
        : options_(options),
          is_terminal_(isatty(STDOUT_FILENO) != 0),
          colour_(is_terminal_ && std::getenv("NO_COLOR") == nullptr) {}

    ExitStatus run() {
        for (const int signal : {SIGINT, SIGTERM}) {
            struct sigaction action {};
            action.sa_handler = note_stop;
            sigaction(signal, &action, nullptr);
        }
        std::vector<json> last;
        for (std::uint64_t round = 0; stopped == 0; ++round) {
            if (round > 0) poll(nullptr, 0, static_cast<int>(options_.interval_s * 1000));
            if (stopped != 0) break;
            last = look();
            show(last);
            if (options_.count > 0 && round + 1 >= options_.count) break;
        }
        return exit_status_of(last);
    }

 private:
    // Every property of every agent. A process that has just ended is none; one that was named must be there at first.
    std::vector<json> look() {
        std::vector<json> all;
        const auto agents = options_.process.empty() ? known_agents() : std::vector{options_.process};
        for (const std::string& agent : agents) {
            try {
                const json status = connect_to(agent)->status();
                for (json property : status.at("properties")) {
                    property["pid"] = status.at("pid");
                    all.push_back(std::move(property));
                }
            } catch (const monitors::AgentError&) {
                if (!options_.process.empty() && former_.empty()) throw;
            }
        }
        return all;
    }

    void show(const std::vector<json>& properties) {
        std::string text =
            fmt::format("{:>8} {:<24} {:<13} {:>10} {:>10} {:>10} {:>10} {:>11}\n", "process", "property", "verdict",
                        "events/s", "events", "contexts", "pending", "violations");
        std::map<std::string, Look> looks;
        for (const json& property : properties) {
            const std::string name =
                fmt::format("{}/{}", property.at("pid").get<int>(), property.at("name").get<std::string>());
            Look look = look_of(property);
            const auto before = former_.find(name);
            text += line_of(property, look, before == former_.end() ? nullptr : &before->second);
            looks[name] = std::move(look);
        }
        if (properties.empty()) text += "no property is attached anywhere\n";
        former_ = std::move(looks);
        fmt::print("{}{}", is_terminal_ ? "\033[H\033[J" : "", text);
        std::fflush(stdout);
    }

    std::string line_of(const json& property, const Look& look, const Look* before) const {
        const auto rate = [&](std::uint64_t now, std::uint64_t then) {
            const double seconds = std::chrono::duration<double>(look.at - before->at).count();
            return static_cast<double>(now - std::min(now, then)) / std::max(seconds, 1e-3);
        };
        const auto counter = [&](const char* name) { return static_cast<double>(look.counters.at(name)); };
        const auto verdict = property.at("verdict").get<std::string>();
        const char* code = verdict == "ok" ? "\033[32m" : verdict == "violated" ? "\033[1;31m" : "\033[33m";
        std::string text = fmt::format(
            "{:>8} {:<24} {}{:<13}{} {:>10} {:>10} {:>10} {:>10} {:>11}\n", property.at("pid").get<int>(),
            property.at("name").get<std::string>(), colour_ ? code : "", verdict, colour_ ? "\033[0m" : "",
            before == nullptr ? "" : short_number(rate(look.counters.at("events"), before->counters.at("events"))),
            short_number(counter("events")), short_number(counter("contexts_alive")),
            short_number(counter("contexts_pending")), short_number(counter("violations")));
        if (before != nullptr && is_terminal_) text += busiest_edges(look, *before, rate);
        if (!property.at("reports").empty()) text += last_violation(property.at("reports").back());
        return text;
    }

    template <class Rate>
    static std::string busiest_edges(const Look& look, const Look& before, Rate rate) {
        std::vector<std::pair<double, std::string>> rates;
        for (const auto& [edge, taken] : look.edges)
            if (const auto then = before.edges.find(edge); then != before.edges.end() && taken > then->second)
                rates.emplace_back(rate(taken, then->second), edge);
        std::ranges::sort(rates, std::greater());
        std::string text;
        for (std::size_t i = 0; i < std::min<std::size_t>(rates.size(), 3); ++i)
            text += fmt::format("{:>8}   {:>8}/s  {}\n", "", short_number(rates[i].first), rates[i].second);
        return text;
    }

    static std::string last_violation(const json& report) {
        return fmt::format("{:>8}   last violation:{} in state {}, event {}\n", "", keys_text(report),
                           report.at("state").get<std::string>(), report.at("event").get<std::string>());
    }

    const Options& options_;
    bool is_terminal_;
    bool colour_;
    std::map<std::string, Look> former_;
};

Command::Run declare(CLI::App& app) {
    auto options = std::make_shared<Options>();
    add_process_option(app, options->process);
    app.add_option("--interval", options->interval_s, "Seconds between two looks")
        ->check(CLI::Range(0.05, 3600.0))
        ->capture_default_str();
    app.add_option("--count", options->count, "So many looks; without: until Ctrl-C");
    app.footer(
        "Without --in-process: every agent of this user in the default place. On a terminal the view is redrawn and\n"
        "shows the busiest edges; elsewhere it is a line a property and look.\n"
        "Exit status: the worst verdict of the last look: 0 ok, 1 violated, 3 inconclusive; 2 there is no such agent.");
    return [options] { return Watch(*options).run(); };
}

const Command command{"watch", "Follow attached properties on the terminal", declare};

}  // namespace
}  // namespace lockstep::cli
