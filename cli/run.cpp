// `lockstep run SCENARIO`: runs a scenario in a sandbox with its properties attached, and prints the verdict.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <random>

#include "cli/command.hpp"
#include "cli/run_observer.hpp"
#include "cli/run_repeated.hpp"
#include "cli/run_report.hpp"
#include "cli/run_shrink.hpp"
#include "cli/terminal.hpp"
#include "cli/versions.hpp"
#include "monitors/runtime/monitor.hpp"
#include "netns_harness/kernel_clients.hpp"
#include "netns_harness/run.hpp"
#include "netns_harness/sandbox.hpp"

namespace lockstep::cli {
namespace {

namespace fs = std::filesystem;
using harness::milliseconds;
using harness::Verdict;

struct RunArguments {
    std::string scenario;
    std::vector<std::string> faults;
    std::optional<std::uint64_t> seed;
    std::string duration;
    std::string out;
    bool json = false;
    bool check = false;
    std::uint64_t repeat = 0;  // 0: one run, here
    unsigned jobs = 1;
    bool until_violation = false;
    bool shrink = false;
    bool measure_overhead = false;
    bool list_faults = false;
    bool list_workloads = false;
};

int exit_status(Verdict verdict) {
    return verdict == Verdict::ok ? exit_ok : verdict == Verdict::violated ? exit_violated : exit_inconclusive;
}

std::uint64_t random_seed() {
    std::random_device device;
    return device() % 1'000'000'000U;  // short enough to be typed again
}

unsigned report_columns() {
    constexpr std::size_t elsewhere = 120, narrowest = 60;
    const auto terminal = terminal_size(STDOUT_FILENO);
    return static_cast<unsigned>(terminal ? std::max(terminal->columns, narrowest) : elsewhere);
}

// One line on the terminal that is written over again and again; nothing where there is no terminal.
class ProgressLine {
 public:
    void show(const harness::RunProgress& progress) {
        const auto terminal = terminal_size(STDERR_FILENO);
        if (!terminal) return;
        std::string text = fmt::format("{} {} · {} events · {} contexts · {} violations", progress.phase,
                                       harness::to_text(progress.worked), progress.observed.events,
                                       progress.observed.contexts, progress.observed.violations);
        for (const std::string& fault : progress.faults_in_force) text += " · " + fault;
        // A line as wide as the terminal would wrap, and could not be written over.
        fmt::print(stderr, "\r\033[K{}", fitted(text, std::max<std::size_t>(terminal->columns, 2) - 1));
        std::fflush(stderr);
    }
    void clear() const {
        if (terminal_size(STDERR_FILENO)) fmt::print(stderr, "\r\033[K");
    }
};

// Where logs and results go: the directory asked for, or one in memory that is copied out when the run was not ok.
class ResultDirectory {
 public:
    explicit ResultDirectory(const std::string& out)
        : path_(out.empty() ? fs::path(harness::Sandbox::scratch) / "result" : fs::absolute(out)), keep_(!out.empty()) {
        fs::create_directories(path_);
    }

    const fs::path& path() const { return path_; }

    // Writes the results; `result.kept_in` says afterwards where they can be found.
    void store(harness::RunResult& result, const harness::Scenario& scenario, const std::vector<fs::path>& traces,
               const std::string& versions) {
        if (keep_)
            result.kept_in = path_;
        else if (result.verdict() != Verdict::ok)
            result.kept_in = new_directory(result);
        harness::write_file(path_ / "scenario.toml", scenario.source);
        harness::write_file(path_ / "versions.json", versions);
        if (!result.kept_in.empty()) write_results(result, path_);
        if (!result.kept_in.empty() && !traces.empty()) copy_traces(traces);
        if (!keep_ && !result.kept_in.empty()) fs::copy(path_, result.kept_in, fs::copy_options::recursive);
    }

 private:
    // The traces alone, without the daemons' logs.
    void copy_traces(const std::vector<fs::path>& traces) const {
        fs::remove_all(path_ / "trace");  // an earlier run's
        std::size_t number = 0;
        for (const fs::path& trace : traces) {
            const fs::path to = path_ / "trace" / std::to_string(++number);
            fs::create_directories(to);
            for (const auto& file : fs::directory_iterator(trace))
                if (file.is_regular_file()) fs::copy_file(file.path(), to / file.path().filename());
        }
    }

    static std::string new_directory(const harness::RunResult& result) {
        const std::string name = "lockstep-" + std::to_string(result.seed) + "-XXXXXX";
        std::string path = fs::temp_directory_path() / name;
        if (mkdtemp(path.data()) == nullptr) harness::throw_errno("cannot make " + path);
        return path;
    }

    fs::path path_;
    bool keep_;
};

harness::RunOptions options_of(const RunArguments& arguments) {
    harness::RunOptions options;
    options.scenario = harness::read_scenario(arguments.scenario);
    if (!arguments.duration.empty()) options.scenario.duration = harness::parse_duration(arguments.duration);
    options.seed = arguments.seed ? *arguments.seed : options.scenario.seed ? *options.scenario.seed : random_seed();
    options.faults = arguments.faults;
    options.measure_overhead = arguments.measure_overhead;
    options.programs = harness::Programs::beside_us();
    options.programs.require_for(options.scenario);
    harness::require_guests(options.scenario);
    return options;
}

std::string versions_of(const harness::RunOptions& options) {
    const harness::Programs& programs = options.programs;
    std::vector<fs::path> files{fs::read_symlink("/proc/self/exe")};
    for (const fs::path& program : {programs.nfs_server, programs.lock_client, programs.file_client, programs.dlm_node})
        if (fs::exists(program)) files.push_back(program);
    for (const harness::PropertyPlan& plan : options.scenario.properties)
        files.push_back(monitors::find_monitor(plan.name));
    return versions_json(files);
}

// The part of a run that happens inside the sandbox; its exit status is the command's.
int run_inside(const RunArguments& arguments, harness::RunOptions& options, RunObserver& observer,
               harness::Sandbox& sandbox) {
    ResultDirectory results(arguments.out);
    options.logs = results.path();
    ProgressLine line;
    options.on_progress = [&line](const harness::RunProgress& progress) { line.show(progress); };
    harness::RunResult result = harness::run_scenario(options, observer, sandbox);
    line.clear();
    if (const std::string calls = observer.recorded_calls(); !calls.empty())
        harness::write_file(results.path() / "calls", calls);
    results.store(result, options.scenario, observer.traces(), versions_of(options));
    const bool colour = colours_are_wanted(STDOUT_FILENO);
    std::fputs(
        (arguments.json ? harness::to_json(result) : harness::to_report(result, report_columns(), colour)).c_str(),
        stdout);
    return exit_status(result.verdict());
}

void announce(const harness::RunOptions& options) {
    for (const std::string& fault : options.faults)
        std::fprintf(stderr, "lockstep: DELIBERATE FAULT %s is on\n", fault.c_str());
    std::fprintf(stderr, "lockstep: %s, seed %llu\n", options.scenario.name.c_str(),
                 static_cast<unsigned long long>(options.seed));
}

harness::SandboxOptions sandbox_options(const RunArguments& arguments, const harness::RunOptions& options) {
    harness::SandboxOptions sandbox;
    sandbox.limit = harness::longest_run(options.scenario);
    // The programs and libraries, the results, and where results are copied to.
    sandbox.visible = {options.programs.nfs_server.parent_path().parent_path(), fs::temp_directory_path()};
    if (!arguments.out.empty()) sandbox.visible.push_back(arguments.out);
    return sandbox;
}

// Every run is this command again, with a seed of its own, and a directory of its own within --out.
std::vector<std::string> command_of_one(const RunArguments& arguments, std::uint64_t seed) {
    std::vector<std::string> command{"lockstep", "run", arguments.scenario, "--json", "--seed", std::to_string(seed)};
    for (const std::string& fault : arguments.faults) command.insert(command.end(), {"--fault", fault});
    if (!arguments.duration.empty()) command.insert(command.end(), {"--duration", arguments.duration});
    if (arguments.measure_overhead) command.push_back("--measure-overhead");
    if (!arguments.out.empty())
        command.insert(command.end(), {"--out", (fs::path(arguments.out) / ("seed-" + std::to_string(seed))).string()});
    return command;
}

int run_many(const RunArguments& arguments) {
    const harness::RunOptions options = options_of(arguments);  // what is wrong with the scenario is told once
    Repetition repetition;
    repetition.first_seed = options.seed;
    repetition.runs = arguments.repeat == 0 ? UINT64_MAX : arguments.repeat;
    repetition.jobs = arguments.jobs;
    repetition.until_violation = arguments.until_violation;
    repetition.json = arguments.json;
    repetition.command = [&](std::uint64_t seed) { return command_of_one(arguments, seed); };
    std::fprintf(stderr, "lockstep: %s, seeds from %llu\n", options.scenario.name.c_str(),
                 static_cast<unsigned long long>(options.seed));
    return run_repeated(repetition);
}

int shrink(const RunArguments& arguments) {
    const harness::RunOptions options = options_of(arguments);
    RunArguments one = arguments;
    Shrinking shrinking;
    shrinking.text = options.scenario.source;
    if (!arguments.out.empty()) fs::create_directories(arguments.out);
    shrinking.kept = arguments.out.empty() ? fs::path(arguments.scenario).stem().string() + ".smaller.toml"
                                           : (fs::path(arguments.out) / "smaller.toml").string();
    shrinking.command = [&](const fs::path& scenario) {
        one.scenario = scenario;
        one.out = scenario.parent_path() / "results";
        return command_of_one(one, options.seed);
    };
    std::fprintf(stderr, "lockstep: %s, seed %llu\n", options.scenario.name.c_str(),
                 static_cast<unsigned long long>(options.seed));
    return run_shrinking(shrinking);
}

// The programs know their faults.
int list_faults() {
    std::printf("In a scenario, [[fault]] kind =\n");
    for (const harness::FaultKind& kind : harness::fault_kinds()) std::printf("  %-22s %s\n", kind.name, kind.meaning);
    std::printf("On the command line, --fault NAME: wrong on purpose, for a property to notice\n");
    std::fflush(stdout);
    const harness::Programs programs = harness::Programs::beside_us();
    for (const fs::path& program : {programs.dlm_node, programs.nfs_server})
        if (std::system(("'" + program.string() + "' --list-faults").c_str()) != 0)
            throw std::runtime_error("cannot run " + program.string());
    return exit_ok;
}

int list_workloads() {
    for (const harness::WorkloadKind& kind : harness::workload_kinds())
        std::printf("%-24s %s\n", kind.name, kind.meaning);
    return exit_ok;
}

int run(const RunArguments& arguments) {
    if (arguments.list_faults) return list_faults();
    if (arguments.list_workloads) return list_workloads();
    if (arguments.scenario.empty()) throw std::runtime_error("which scenario? `lockstep run SCENARIO` (see --help)");
    if (arguments.jobs > 1 && arguments.repeat == 0 && !arguments.until_violation)
        throw std::runtime_error("--jobs is about several runs: --repeat N, or --until-violation");
    if ((arguments.repeat > 0 || arguments.until_violation) && !arguments.check) return run_many(arguments);
    if (arguments.shrink && !arguments.check) return shrink(arguments);
    harness::RunOptions options = options_of(arguments);
    RunObserver observer(options.scenario, harness::Sandbox::scratch);
    if (arguments.check) {
        std::printf("%s: ok\n", arguments.scenario.c_str());
        return exit_ok;
    }
    if (!arguments.out.empty()) fs::create_directories(arguments.out);
    announce(options);
    try {
        return harness::run_in_sandbox(sandbox_options(arguments, options), [&](harness::Sandbox& sandbox) {
            return run_inside(arguments, options, observer, sandbox);
        });
    } catch (const harness::SandboxKilled& killed) {
        std::fprintf(stderr, "lockstep: %s\n", killed.what());
        return killed.reason == harness::SandboxKilled::Reason::crash ? exit_could_not_run : exit_inconclusive;
    }
}

Command::Run declare(CommandLine& command_line) {
    auto arguments = std::make_shared<RunArguments>();
    command_line.add_option("SCENARIO", arguments->scenario, "a scenario file (netns_harness/README.md)");
    command_line.add_option("--fault", arguments->faults, "turn a deliberate fault of the server on; may be repeated")
        .repeatable();
    command_line.add_option("--seed", arguments->seed,
                            "all random choices come from it; at random, and printed, when absent");
    command_line.add_option("--duration", arguments->duration, "instead of the scenario's: 500ms, 3s, 2m");
    command_line.add_option("--out", arguments->out, "keep logs and results in this directory");
    command_line.add_flag("--json", arguments->json, "write the result as JSON");
    command_line.add_flag("--check", arguments->check, "only check the scenario and that all it names is there");
    command_line.add_option("--repeat", arguments->repeat, "so many runs, with the seed and those that follow")
        .between(1, 1'000'000);
    command_line.add_option("--jobs", arguments->jobs, "with --repeat or --until-violation: so many at a time")
        .between(1, 64)
        .shows_default();
    command_line.add_flag("--until-violation", arguments->until_violation,
                          "begin no further run after one that was violated; without --repeat, go on until then");
    command_line
        .add_flag("--shrink", arguments->shrink,
                  "look for a smaller scenario that still violates, and write it to --out (or here)")
        .excludes({"--repeat", "--until-violation", "--duration", "--json"});
    command_line.add_flag(
        "--measure-overhead", arguments->measure_overhead,
        "work on for some seconds after the judgement, with and without live tracing in turn, and tell what it costs");
    command_line.add_flag("--list-faults", arguments->list_faults, "the deliberate faults there are, and what they do");
    command_line.add_flag("--list-workloads", arguments->list_workloads,
                          "the kinds of workload that a scenario can name");
    command_line.footer(
        "Exit status: 0 ok, 1 violated, 2 could not run, 3 inconclusive (events lost, a server died, interrupted …).\n"
        "Without --out, logs and results are kept only when the verdict is not ok, in a directory that is printed.");
    return [arguments] { return run(*arguments); };
}

const Command command("run", "run a scenario in a sandbox of namespaces and verify its properties", declare);

}  // namespace
}  // namespace lockstep::cli
