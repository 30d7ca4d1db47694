// lockstep status: what the agents of running processes have seen.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "cli/agents.hpp"
#include "cli/command.hpp"
#include "cli/property_status.hpp"
#include "cli/whole_file.hpp"

namespace lockstep::cli {
namespace {

struct Options {
    std::string process;
    bool json = false;
    bool prometheus = false;
    std::string textfile;
};

int run(const Options& options) {
    const std::vector<std::string> agents = options.process.empty() ? known_agents() : std::vector{options.process};
    if (agents.empty()) fmt::print(stderr, "no agent is running in the default place; name one with --in-process\n");
    std::vector<nlohmann::json> all;
    bool all_answered = true;
    for (const std::string& agent : agents) {
        nlohmann::json status;
        try {
            status = connect_to(agent)->status();
        } catch (const monitors::AgentError& error) {
            fmt::print(stderr, "lockstep: {}\n", error.what());  // the others are told nevertheless
            all_answered = false;
            continue;
        }
        auto properties = status.at("properties").get<std::vector<nlohmann::json>>();
        for (nlohmann::json& property : properties) property["pid"] = status.at("pid");
        if (!options.prometheus && options.textfile.empty() && !options.json) {
            fmt::print("process {}\n", status.at("pid").get<int>());
            print_properties(properties, false);
        }
        all.insert(all.end(), properties.begin(), properties.end());
    }
    if (options.json) print_properties(all, true);
    if (options.prometheus) fmt::print("{}", to_prometheus(all));
    if (!options.textfile.empty()) write_whole(options.textfile, to_prometheus(all));
    return all_answered ? exit_status_of(all) : exit_could_not_run;
}

Command::Run declare(CommandLine& command_line) {
    auto options = std::make_shared<Options>();
    add_process_option(command_line, options->process);
    command_line.add_flag("--json", options->json, "One JSON array of properties");
    command_line.add_flag("--prometheus", options->prometheus, "The counters in Prometheus' text format")
        .excludes({"--json"});
    command_line
        .add_option("--textfile", options->textfile,
                    "The same into this file, replaced as a whole: for node_exporter's textfile collector (NAME.prom)")
        .excludes({"--json"});
    command_line.footer(
        "Without --in-process: every agent of this user in the default place.\n"
        "Exit status: the worst verdict: 0 ok, 1 violated, 3 inconclusive, also when nothing is attached; 2 an agent\n"
        "does not answer.");
    return [options] { return run(*options); };
}

const Command command{"status", "Verdicts and counters of attached properties", declare};

}  // namespace
}  // namespace lockstep::cli
