// The `lockstep` command: finds the subcommand, runs it, turns what went wrong into one line and an exit status.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>

#include "cli/command.hpp"

namespace lockstep::cli {
namespace {

std::vector<const Command*>& registry() {
    static std::vector<const Command*> commands;
    return commands;
}

}  // namespace

Command::Command(std::string name, std::string summary, Declare declare)
    : name_(std::move(name)), summary_(std::move(summary)), declare_(std::move(declare)) {
    registry().push_back(this);
}

const std::vector<const Command*>& Command::all() {
    std::ranges::sort(registry(), {}, &Command::name);
    return registry();
}

namespace {

// Empty when the command line begins with a command or an option.
std::string what_is_missing(const CLI::App& app, int argc, char** argv) {
    if (argc < 2) return "a command is missing";
    const std::string first = argv[1];
    const auto is_it = [&](const CLI::App* command) { return command->check_name(first); };
    if (first.starts_with('-') || !app.get_subcommands(is_it).empty()) return "";
    return "there is no command `" + first + "`";
}

int run(int argc, char** argv) {
    CLI::App app{
        "Lockstep: runtime verification for user space.\n"
        "Exit status: 0 ok, 1 violated (or a model has errors), 2 could not run, 3 inconclusive.",
        "lockstep"};
    app.set_version_flag("--version", LOCKSTEP_VERSION);
    app.require_subcommand(0, 1);  // what_is_missing asks for one, in better words

    std::vector<std::pair<CLI::App*, Command::Run>> runs;
    for (const Command* command : Command::all()) {
        CLI::App* sub = app.add_subcommand(command->name(), command->summary());
        CommandLine command_line(*sub);
        runs.emplace_back(sub, command->declare(command_line));
    }
    if (const std::string missing = what_is_missing(app, argc, argv); !missing.empty()) {
        std::fprintf(stderr, "lockstep: %s; `lockstep --help` lists the commands\n", missing.c_str());
        return exit_could_not_run;
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? exit_ok : exit_could_not_run;
    }
    for (const auto& [sub, chosen] : runs)
        if (sub->parsed()) return chosen();
    return exit_could_not_run;
}

}  // namespace
}  // namespace lockstep::cli

int main(int argc, char** argv) {
    try {
        return lockstep::cli::run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "lockstep: %s\n", error.what());
        return lockstep::cli::exit_could_not_run;
    }
}
