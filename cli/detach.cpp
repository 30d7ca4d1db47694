// lockstep detach: takes a property out of a running process and gives its verdict.
#include <nlohmann/json.hpp>

#include "cli/agents.hpp"
#include "cli/command.hpp"
#include "cli/property_status.hpp"

namespace lockstep::cli {
namespace {

Command::Run declare(CLI::App& app) {
    const auto options = declare_property_command(app);
    auto as_json = std::make_shared<bool>(false);
    app.add_flag("--json", *as_json, "The summary as JSON");
    app.footer("Exit status: the verdict: 0 ok, 1 violated, 3 inconclusive; 2 there is no agent or no such property.");
    return [options, as_json] {
        const nlohmann::json summary = connect_to(options->process)->detach(options->property);
        print_properties({summary}, *as_json);
        return exit_status_of({summary});
    };
}

const Command command{"detach", "Detach a property and give its verdict", declare};

}  // namespace
}  // namespace lockstep::cli
