// crash_explorer: crashes the server's storage at every moment of many workloads and judges what recovery makes of it.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "nfs_server/base/faults.hpp"
#include "nfs_server/explore/explorer.hpp"
#include "nfs_server/explore/workload.hpp"

namespace lockstep::server::explore {
namespace {

enum ExitStatus : int { exit_all_legal = 0, exit_found = 1, exit_could_not_run = 2 };

constexpr unsigned random_length = 40;
constexpr std::string_view steps_prefix = "steps:";

struct CommandLine {
    std::string workload = "ace:1";
    uint64_t states = 0;
    uint64_t seed = 1;
    std::string fault;
    uint64_t fault_seed = 1;
    std::string at;
    bool json = false;
};

// What is being explored, for the last words of a process that a broken invariant stops.
std::string case_at_hand;

void on_abort(int) {
    const auto say = [](const char* text, size_t size) { (void)!write(STDERR_FILENO, text, size); };
    say("while exploring: ", 17);
    say(case_at_hand.data(), case_at_hand.size());
    say("\n", 1);
    // By returning, abort() ends the process as it would have.
}

std::string command_of(const CommandLine& line, const Failure& failure) {
    std::string command =
        fmt::format("crash_explorer --workload '{}{}' --seed {}", steps_prefix, to_string(failure.steps), line.seed);
    if (!line.fault.empty()) command += fmt::format(" --fault {} --fault-seed {}", line.fault, failure.fault_seed);
    if (failure.state) command += fmt::format(" --at {}:{}", failure.state->point, failure.state->choice);
    return command;
}

struct Outcome {
    std::optional<Failure> failure;
    uint64_t sequences = 0;  // that there are; 0: without end
    bool complete = false;   // all of them were explored
    double seconds = 0;
};

class Search {
 public:
    Search(const CommandLine& line, Explorer& explorer) : line_(line), explorer_(explorer) {}

    // Errors: a message about the workload.
    Result<Outcome, std::string> run() {
        const auto start = std::chrono::steady_clock::now();
        if (line_.workload.starts_with(steps_prefix)) {
            LOCKSTEP_TRY(const Steps steps, parse_steps(std::string_view(line_.workload).substr(steps_prefix.size())));
            outcome_.sequences = 1;
            outcome_.complete = explore(steps);
        } else if (line_.workload == "random") {
            for (uint64_t i = 0; explore(random_steps(random_length, line_.seed + i)); ++i) continue;
        } else {
            LOCKSTEP_TRY(const AceSequences sequences, sequences_of(line_));
            outcome_.sequences = sequences.count();
            uint64_t i = 0;
            while (i < sequences.count() && explore(sequences.at(i))) ++i;
            outcome_.complete = i == sequences.count();
        }
        outcome_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        return outcome_;
    }

 private:
    static Result<AceSequences, std::string> sequences_of(const CommandLine& line) {
        for (const auto& [name, operations] : {std::pair("ace", Operations::ace), {"reuse", Operations::reuse}})
            for (const unsigned length : {1u, 2u, 3u})
                if (line.workload == fmt::format("{}:{}", name, length))
                    return AceSequences(length, line.seed, operations);
        return fail(fmt::format("--workload {}: it is ace:1, ace:2, ace:3, reuse:1 to 3, random, or {}STEPS",
                                line.workload, steps_prefix));
    }

    // False: it is over.
    bool explore(const Steps& steps) {
        Failure at_hand;
        at_hand.steps = steps;
        at_hand.fault_seed = line_.fault_seed;
        case_at_hand = command_of(line_, at_hand);
        outcome_.failure = explorer_.explore(steps);
        return !outcome_.failure && !explorer_.limit_reached();
    }

    const CommandLine& line_;
    Explorer& explorer_;
    Outcome outcome_;
};

std::string text_of(const CommandLine& line, const Outcome& outcome, const ExploreCounts& counts) {
    const uint64_t states = counts.states + counts.recovery_states;
    std::string text = fmt::format("{} seed {}: ", line.workload, line.seed);
    if (outcome.sequences > 0)
        text += fmt::format("{} of {} workloads", counts.workloads, outcome.sequences);
    else
        text += fmt::format("{} workloads of {} steps", counts.workloads, random_length);
    text +=
        fmt::format(", {} states after a crash, {} after a second one; {:.0f} states/s\n", counts.states,
                    counts.recovery_states, outcome.seconds > 0 ? static_cast<double>(states) / outcome.seconds : 0);
    if (!outcome.failure) return text + "every state recovered to a legal one\n";
    const Failure& failure = *outcome.failure;
    text += fmt::format("A state is wrong. The smallest failing case:\n  steps    {}\n", to_string(failure.steps));
    text += failure.state ? fmt::format("  crash    after event {} of {} of the disk, choice {}\n",
                                        failure.state->point, failure.events, failure.state->choice)
                          : std::string("  crash    none: server and model disagree\n");
    return text + fmt::format("  problem  {}\nTo see it again:\n  {}\n", failure.problem, command_of(line, failure));
}

nlohmann::json json_of(const CommandLine& line, const Outcome& outcome, const ExploreCounts& counts) {
    const uint64_t states = counts.states + counts.recovery_states;
    nlohmann::json json{{"workload", line.workload},
                        {"seed", line.seed},
                        {"verdict", outcome.failure ? "violated" : "ok"},
                        {"workloads_explored", counts.workloads},
                        {"complete", outcome.complete},
                        {"placed_blocks", counts.placed_blocks},
                        {"states", counts.states},
                        {"recovery_states", counts.recovery_states},
                        {"seconds", outcome.seconds},
                        {"states_per_second", outcome.seconds > 0 ? static_cast<double>(states) / outcome.seconds : 0}};
    if (outcome.sequences > 0) json["workloads_total"] = outcome.sequences;
    if (!line.fault.empty()) json["fault"] = line.fault;
    if (!outcome.failure) return json;
    const Failure& failure = *outcome.failure;
    json["failure"] = {{"steps", to_string(failure.steps)},
                       {"problem", failure.problem},
                       {"events", failure.events},
                       {"reproduce", command_of(line, failure)}};
    if (failure.state) json["failure"]["at"] = {{"event", failure.state->point}, {"choice", failure.state->choice}};
    return json;
}

Result<ExploreOptions, std::string> options_of(const CommandLine& line) {
    ExploreOptions options{
        .seed = line.seed, .states_limit = line.states, .fault = line.fault, .fault_seed = line.fault_seed};
    // Announces the fault, and knows its name; the explorer turns it on and off.
    RecordedRun::prepare();
    if (!line.fault.empty()) LOCKSTEP_TRY(enable_fault(line.fault, line.seed));
    if (!line.at.empty()) {
        CrashState state;
        char more = 0;
        if (std::sscanf(line.at.c_str(), "%zu:%zu%c", &state.point, &state.choice, &more) != 2)
            return fail(fmt::format("--at {}: it is EVENT:CHOICE", line.at));
        options.only = state;
    }
    if (line.workload == "random" && line.states == 0)
        return fail(std::string("--workload random has no end: give --states"));
    return options;
}

int run(const CommandLine& line) {
    const auto could_not_run = [](const std::string& message) {
        std::fprintf(stderr, "crash_explorer: %s\n", message.c_str());
        return exit_could_not_run;
    };
    auto options = options_of(line);
    if (!options) return could_not_run(options.error());
    Explorer explorer(*options);
    auto outcome = Search(line, explorer).run();
    if (!outcome) return could_not_run(outcome.error());
    // Who asks for one state wants that one, not a smaller case.
    if (outcome->failure && line.at.empty()) outcome->failure = explorer.shrink(std::move(*outcome->failure));
    if (line.json)
        std::printf("%s\n", json_of(line, *outcome, explorer.counts()).dump(2).c_str());
    else
        std::printf("%s", text_of(line, *outcome, explorer.counts()).c_str());
    return outcome->failure ? exit_found : exit_all_legal;
}

void declare(CLI::App& app, CommandLine& line) {
    app.add_option("--workload", line.workload,
                   "ace:N, all sequences of N (1 to 3) operations with persistence points; reuse:N, the same of "
                   "operations that fill, free and fill blocks again; random, long ones; "
                   "'steps:STEP; STEP …', this one")
        ->capture_default_str();
    app.add_option("--states", line.states, "End after so many states; 0: when all workloads are explored")
        ->capture_default_str();
    app.add_option("--seed", line.seed, "Chooses the order of workloads and, where there are too many, the states")
        ->capture_default_str();
    app.add_option("--fault", line.fault, "Run the workloads with this deliberate fault of the server");
    app.add_option("--fault-seed", line.fault_seed, "Chooses when the fault strikes")->capture_default_str();
    app.add_option("--at", line.at, "EVENT:CHOICE, only this state of each workload, and what follows from it");
    app.add_flag("--json", line.json, "The result as JSON");
}

}  // namespace
}  // namespace lockstep::server::explore

int main(int argc, char** argv) {
    using namespace lockstep::server;
    explore::CommandLine line;
    CLI::App app{
        "Crashes the server's storage at every moment of many workloads, in every state of the disk that its barriers\n"
        "allow, recovers, checks every invariant, and compares with the reference model of NFS.\n"
        "Exit status: 0 every state recovered to a legal one, 1 one did not, 2 could not run.",
        "crash_explorer"};
    explore::declare(app, line);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    signal(SIGABRT, explore::on_abort);
    return explore::run(line);
}
