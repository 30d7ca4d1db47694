// lockstep attach --in-process PID PROPERTY…: verify a running process from within, by its agent.
#include <fmt/format.h>

#include <memory>

#include "cli/agents.hpp"
#include "cli/command.hpp"
#include "cli/loadable_property.hpp"

namespace lockstep::cli {
namespace {

struct Options {
    std::string process;
    std::vector<std::string> properties;
    monitors::AttachOptions attach;
};

int run(const Options& options) {
    const auto agent = connect_to(options.process);
    for (const std::string& property : options.properties) {
        const LoadableProperty loadable(property);
        if (!loadable.sound()) return exit_violated;
        agent->attach(loadable.file(), options.attach);
        fmt::print("{} is attached\n", loadable.file().stem().string());
    }
    return exit_ok;
}

Command::Run declare(CLI::App& app) {
    auto options = std::make_shared<Options>();
    add_process_option(app, options->process)->required();
    app.add_option("properties", options->properties, "Names of compiled properties, paths to them, or automata (.dot, .ltl)")
        ->required();
    app.add_option("--reactor", options->attach.reactors,
                   "What happens on a violation (repeatable): log[:FILE], dump[:FOLDER], abort; default log")
        ->allow_extra_args(false);
    app.add_option("--contexts", options->attach.instance.contexts,
                   "Contexts alive at once; more are refused and counted");
    app.add_option("--blocks", options->attach.instance.blocks,
                   "Blocks of 128 bytes for set, map and ranges registers");
    app.add_option("--history", options->attach.instance.history_records, "Events remembered per thread for reports");
    app.add_flag("--precise-time", options->attach.instance.precise_time, "Exact times in reports, for 20 ns an event");
    app.footer(
        "The process must have been started with LD_PRELOAD=liblockstep_agent.so:liblttng-ust-fork.so.1, or be linked "
        "with\n"
        "the agent. Exit status: 0 attached, 1 a model has errors, 2 there is no agent or it refused.");
    return [options] { return run(*options); };
}

const Command command{"attach", "Attach properties to a running process", declare};

}  // namespace
}  // namespace lockstep::cli
