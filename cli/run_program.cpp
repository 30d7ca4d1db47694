// lockstep run-program -- PROGRAM …: verifies an ordinary program's own locks, without a change to it. Those of its
// threads in the program itself, here; those on files, which are many programs' at once, from outside:
// run_program_files.cpp.
#include "cli/run_program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "cli/agents.hpp"
#include "cli/command.hpp"
#include "cli/loadable_property.hpp"
#include "cli/property_status.hpp"
#include "cli/scratch_folder.hpp"
#include "cli/started_program.hpp"

namespace lockstep::cli {

int print_judged(const RunProgramOptions& options, const std::vector<nlohmann::json>& properties, int wait_status) {
    std::fprintf(stderr, "lockstep: %s ended with %s\n", options.command[0].c_str(), text_of_end(wait_status).c_str());
    std::fflush(stdout);
    if (options.result_descriptor >= 0) dup2(options.result_descriptor, STDOUT_FILENO);
    print_properties(properties, options.json);
    std::fflush(stdout);
    return exit_status_of(properties);
}

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Where the program's agent listens, and what it leaves.
class Scratch {
 public:
    fs::path socket() const { return folder_.path() / "agent"; }
    fs::path report() const { return folder_.path() / "report.json"; }

 private:
    ScratchFolder folder_{"lockstep-program"};
};

// The program does not reach its main() before this is opened: its agent waits for it.
class Gate {
 public:
    Gate() {
        if (pipe(ends_) != 0) throw std::runtime_error("no pipe");
        fcntl(ends_[1], F_SETFD, FD_CLOEXEC);
    }
    ~Gate() { open(); }
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    std::string descriptor() const { return std::to_string(ends_[0]); }
    void open() {
        for (int& end : ends_)
            if (end >= 0) close(std::exchange(end, -1));
    }

 private:
    int ends_[2];
};

// The status at the program's exit; without one, the last that was asked for, with what that leaves open.
std::vector<json> judged(const Scratch& scratch, const json& last_status, int end) {
    std::ifstream stream(scratch.report());
    json status = json::parse(stream, nullptr, false);
    const bool complete = !status.is_discarded();
    if (!complete) status = last_status;
    std::vector<json> properties = status.at("properties");
    for (json& property : properties) {
        if (complete) continue;
        property["reasons"].push_back("the program ended without saying goodbye (" + text_of_end(end) +
                                      "): what happened just before was not judged");
        if (property.at("verdict") == "ok") property["verdict"] = "inconclusive";
    }
    return properties;
}

int run_threads(const RunProgramOptions& options) {
    std::vector<std::unique_ptr<LoadableProperty>> properties;
    for (const std::string& property : options.properties) {
        properties.push_back(std::make_unique<LoadableProperty>(property));
        if (!properties.back()->sound()) return exit_violated;
    }
    const Scratch scratch;
    Gate gate;
    // fork() needs LTTng's wrapper.
    StartedProgram program(
        options.command,
        {{"LD_PRELOAD", preload_list({library_beside_us("liblockstep_thread_locks.so"),
                                      library_beside_us("liblockstep_agent.so"), "liblttng-ust-fork.so.1"})},
         {"LOCKSTEP_AGENT_SOCKET", scratch.socket()},
         {"LOCKSTEP_AGENT_REPORT", scratch.report()},
         {"LOCKSTEP_AGENT_GATE", gate.descriptor()}});
    program.begin();
    hand_signals_on();
    monitors::AgentClient agent(scratch.socket());
    for (const auto& property : properties) agent.attach(property->file(), options.attach);
    json last_status = agent.status();
    gate.open();
    while (!program.ended_within(250)) {
        try {
            last_status = agent.status();
        } catch (const monitors::AgentError&) {
            // It is ending, or has become another program; the report at its exit says more.
        }
    }
    const int end = program.reap();
    return print_judged(options, judged(scratch, last_status, end), end);
}

// Before the program runs: what can't be written is told at once, and a reader of JSON gets nothing else.
void prepare_result(RunProgramOptions& options) {
    if (!options.out.empty()) {
        options.result_descriptor = open(options.out.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (options.result_descriptor < 0) throw std::runtime_error("can't write " + options.out);
    } else if (options.json) {
        options.result_descriptor = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        dup2(STDERR_FILENO, STDOUT_FILENO);
    }
}

int run(RunProgramOptions& options) {
    prepare_result(options);
    if (options.properties.empty())
        options.properties = options.file_locks ? std::vector<std::string>{"mutual_exclusion"}
                                                : std::vector<std::string>{"pthread_mutex", "lock_order"};
    return options.file_locks ? run_program_with_file_locks(options) : run_threads(options);
}

Command::Run declare(CommandLine& command_line) {
    auto options = std::make_shared<RunProgramOptions>();
    command_line.add_flag("--file-locks", options->file_locks,
                          "Verify the locks on files (fcntl, lockf, flock) of the program and of all that it starts");
    command_line.add_flag("--no-loss", options->no_loss,
                          "With --file-locks: the program waits when events come faster than they are read");
    command_line
        .add_option("--property", options->properties,
                    "Judge by this one: a compiled property's name or path, or an automaton (.dot, .ltl); repeatable; "
                    "default pthread_mutex and lock_order, with --file-locks mutual_exclusion")
        .repeatable();
    command_line
        .add_option("--reactor", options->attach.reactors,
                    "What happens on a violation (repeatable): log[:FILE], dump[:FOLDER], abort; default log")
        .repeatable();
    command_line.add_option("--contexts", options->attach.instance.contexts, "Locks, or pairs of locks, alive at once");
    command_line.add_option("-o,--out", options->out, "Write the result here: stdout is the program's, too");
    command_line.add_flag(
        "--json", options->json,
        "The result as JSON; without --out the program's standard output goes to stderr, and stdout is the JSON alone");
    command_line.add_option("command", options->command, "-- PROGRAM ARGUMENT…").required().value_name(" ");
    command_line.positionals_at_end();
    command_line.footer(
        "The program runs as it would without us, with tracepoints preloaded around its calls of the POSIX thread\n"
        "library (mutexes, reader-writer locks, spin locks, condition waits), or, with --file-locks, around those "
        "that\n"
        "lock files, in it and in every program that it starts. Signals are handed on to it.\n"
        "Statically linked and setuid programs can't be preloaded into.\n"
        "Exit status: 0 ok, 1 violated, 2 could not run, 3 inconclusive; the program's own is told on stderr.");
    return [options] { return run(*options); };
}

const Command command{"run-program", "Run a program and verify the locks of its threads, or those on files", declare};

}  // namespace
}  // namespace lockstep::cli
