// lockstep react, pause, resume: change what an attached property does, while it runs.
#include "cli/agents.hpp"
#include "cli/command.hpp"
#include "reactors/reactor.hpp"

namespace lockstep::cli {
namespace {

constexpr const char* exit_statuses = "Exit status: 0 done; 2 there is no agent, no such property, or it refused.";

Command::Run declare_react(CommandLine& command_line) {
    const auto options = declare_property_command(command_line);
    auto reactors = std::make_shared<std::vector<std::string>>();
    command_line.add_option("reactors", *reactors,
                            "The reactors from now on; none: only count. " + reactors::reactors_in_one_line());
    command_line.footer(exit_statuses);
    return [options, reactors] {
        const auto agent = connect_to(options->process);
        for (const std::string& name : attached_properties(*agent, options->property)) agent->react(name, *reactors);
        return exit_ok;
    };
}

Command::Run declare_pause(CommandLine& command_line) {
    const auto options = declare_property_command(command_line);
    command_line.footer(exit_statuses);
    return [options] {
        const auto agent = connect_to(options->process);
        for (const std::string& name : attached_properties(*agent, options->property)) agent->pause(name);
        return exit_ok;
    };
}

Command::Run declare_resume(CommandLine& command_line) {
    const auto options = declare_property_command(command_line);
    command_line.footer(exit_statuses);
    return [options] {
        const auto agent = connect_to(options->process);
        for (const std::string& name : attached_properties(*agent, options->property)) agent->resume(name);
        return exit_ok;
    };
}

const Command react{"react", "Exchange the reactors of an attached property", declare_react};
const Command pause_command{"pause", "Let an attached property rest: its probes return at once", declare_pause};
const Command resume{"resume", "Wake a paused property; it waits for start events", declare_resume};

}  // namespace
}  // namespace lockstep::cli
