// lockstep run-program -- PROGRAM …: verifies an ordinary program's own locks, without a change to it.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "cli/agents.hpp"
#include "cli/command.hpp"
#include "cli/loadable_property.hpp"
#include "cli/property_status.hpp"
#include "cli/scratch_folder.hpp"

namespace lockstep::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Options {
    std::vector<std::string> properties;
    std::vector<std::string> command;
    monitors::AttachOptions attach;
    std::string out;
    bool json = false;
};

// Whatever signal we are asked to end by is the program's to answer; then we judge.
volatile sig_atomic_t program_pid = 0;

void hand_on(int signal) {
    if (program_pid > 0) kill(program_pid, signal);
}

// Where the program's agent listens, and what it leaves.
class Scratch {
 public:
    fs::path socket() const { return folder_.path() / "agent"; }
    fs::path report() const { return folder_.path() / "report.json"; }

 private:
    ScratchFolder folder_{"lockstep-program"};
};

// The program, held before its main() until the gate is opened.
class Program {
 public:
    Program(const std::vector<std::string>& command, const Scratch& scratch) {
        int gate[2], failure[2];
        if (pipe(gate) != 0 || pipe2(failure, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
        fcntl(gate[1], F_SETFD, FD_CLOEXEC);
        // After our own libraries those that are preloaded already; fork() needs LTTng's wrapper.
        const char* preloaded = std::getenv("LD_PRELOAD");
        const std::string libraries = library_beside_us("liblockstep_thread_locks.so").string() + ":" +
                                      library_beside_us("liblockstep_agent.so").string() + ":liblttng-ust-fork.so.1" +
                                      (preloaded == nullptr ? "" : ":") + (preloaded == nullptr ? "" : preloaded);
        pid_ = fork();
        if (pid_ < 0) throw std::runtime_error("cannot fork");
        if (pid_ == 0) {
            setenv("LD_PRELOAD", libraries.c_str(), 1);
            setenv("LOCKSTEP_AGENT_SOCKET", scratch.socket().c_str(), 1);
            setenv("LOCKSTEP_AGENT_REPORT", scratch.report().c_str(), 1);
            setenv("LOCKSTEP_AGENT_GATE", std::to_string(gate[0]).c_str(), 1);
            std::vector<char*> arguments;
            for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
            arguments.push_back(nullptr);
            execvp(arguments[0], arguments.data());
            const int error = errno;
            (void)!write(failure[1], &error, sizeof error);
            _exit(127);
        }
        close(gate[0]);
        close(failure[1]);
        gate_ = gate[1];
        int error = 0;
        const bool failed = read(failure[0], &error, sizeof error) == sizeof error;
        close(failure[0]);
        if (failed) {
            waitpid(pid_, nullptr, 0);
            throw std::runtime_error(fmt::format("can't run {}: {}", command[0], std::strerror(error)));
        }
        end_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
        program_pid = pid_;
    }
    ~Program() {
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    void open_gate() {
        close(gate_);
        gate_ = -1;
    }

    // Whether it has ended within that time.
    bool ended_within(int time_ms) const {
        pollfd end{end_, POLLIN, 0};
        return poll(&end, 1, time_ms) == 1;
    }

    // Its wait status.
    int reap() {
        int status = 0;
        while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        program_pid = 0;
        pid_ = -1;
        close(end_);
        return status;
    }

 private:
    pid_t pid_ = -1;
    int gate_ = -1;
    int end_ = -1;
};

std::string text_of_end(int status) {
    if (WIFEXITED(status)) return fmt::format("exit status {}", WEXITSTATUS(status));
    return fmt::format("signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
}

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

int run(const Options& options) {
    std::vector<std::unique_ptr<LoadableProperty>> properties;
    for (const std::string& property : options.properties) {
        properties.push_back(std::make_unique<LoadableProperty>(property));
        if (!properties.back()->sound()) return exit_violated;
    }
    const Scratch scratch;
    Program program(options.command, scratch);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction action {};
        action.sa_handler = hand_on;
        // From the terminal the program gets it itself.
        if (signal == SIGINT && isatty(STDIN_FILENO) != 0) action.sa_handler = SIG_IGN;
        sigaction(signal, &action, nullptr);
    }
    monitors::AgentClient agent(scratch.socket());
    for (const auto& property : properties) agent.attach(property->file(), options.attach);
    json last_status = agent.status();
    program.open_gate();
    while (!program.ended_within(250)) {
        try {
            last_status = agent.status();
        } catch (const monitors::AgentError&) {
            // It is ending, or has become another program; the report at its exit says more.
        }
    }
    const int end = program.reap();
    const std::vector<json> judged_properties = judged(scratch, last_status, end);
    std::fprintf(stderr, "lockstep: %s ended with %s\n", options.command[0].c_str(), text_of_end(end).c_str());
    if (!options.out.empty() && std::freopen(options.out.c_str(), "w", stdout) == nullptr)
        throw std::runtime_error("can't write " + options.out);
    print_properties(judged_properties, options.json);
    return exit_status_of(judged_properties);
}

Command::Run declare(CLI::App& app) {
    auto options = std::make_shared<Options>();
    options->properties = {"pthread_mutex", "lock_order"};
    app.add_option("--property", options->properties,
                   "Judge by this one: a compiled property's name or path, or an automaton (.dot, .ltl); repeatable")
        ->allow_extra_args(false)
        ->capture_default_str();
    app.add_option("--reactor", options->attach.reactors,
                   "What happens on a violation (repeatable): log[:FILE], dump[:FOLDER], abort; default log")
        ->allow_extra_args(false);
    app.add_option("--contexts", options->attach.instance.contexts, "Locks, or pairs of locks, alive at once");
    app.add_option("-o,--out", options->out, "Write the result here: stdout is the program's too");
    app.add_flag("--json", options->json, "The result as JSON");
    app.add_option("command", options->command, "-- PROGRAM ARGUMENT…")->required()->option_text(" ");
    app.positionals_at_end();
    app.footer(
        "The program runs as it would without us, with tracepoints preloaded around its calls of the POSIX thread\n"
        "library (mutexes, reader-writer locks, spin locks, condition waits). Signals are handed on to it.\n"
        "Statically linked and setuid programs can't be preloaded into.\n"
        "Exit status: 0 ok, 1 violated, 2 could not run, 3 inconclusive; the program's own is told on stderr.");
    return [options] { return run(*options); };
}

const Command command{"run-program", "Run a program and verify its threads' locks", declare};

}  // namespace
}  // namespace lockstep::cli
