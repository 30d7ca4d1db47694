// lockstep detach: takes a property, or a group, out of a running process and gives the verdict.
#include <nlohmann/json.hpp>

#include "cli/agents.hpp"
#include "cli/command.hpp"
#include "cli/property_status.hpp"

namespace lockstep::cli {
namespace {

Command::Run declare(CommandLine& command_line) {
    const auto options = declare_property_command(command_line);
    auto as_json = std::make_shared<bool>(false);
    command_line.add_flag("--json", *as_json, "The summary as JSON");
    command_line.footer(
        "Exit status: the (worst) verdict: 0 ok, 1 violated, 3 inconclusive; 2 there is no agent or no such property.");
    return [options, as_json] {
        const auto agent = connect_to(options->process);
        std::vector<nlohmann::json> summaries;
        for (const std::string& name : attached_properties(*agent, options->property))
            summaries.push_back(agent->detach(name));
        print_properties(summaries, *as_json);
        return exit_status_of(summaries);
    };
}

const Command command{"detach", "Detach a property and give its verdict", declare};

}  // namespace
}  // namespace lockstep::cli
