#include "netns_harness/run.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "netns_harness/commands.hpp"
#include "netns_harness/fault_injector.hpp"
#include "netns_harness/resources.hpp"
#include "netns_harness/stage.hpp"

namespace lockstep::harness {
namespace {

using Json = nlohmann::json;

std::uint64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

milliseconds since(Clock::time_point begin) {
    return std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
}

// When a fault struck, by the server's log of strikes; a last line that a kill cut short counts for nothing.
std::vector<std::uint64_t> strikes_of(const std::string& fault, const std::string& log) {
    std::vector<std::uint64_t> times_ns;
    std::ifstream lines(log);
    for (std::string line; std::getline(lines, line);) {
        const Json strike = Json::parse(line, nullptr, false);
        if (strike.is_object() && strike.value("fault", "") == fault) times_ns.push_back(strike.at("time_ns"));
    }
    return times_ns;
}

class Run {
 public:
    Run(const RunOptions& options, Observer& observer, const Sandbox& sandbox)
        : options_(options),
          scenario_(options.scenario),
          observer_(observer),
          sandbox_(sandbox),
          stage_(options, observer, result_),
          faults_(options, observer, stage_, result_) {
        result_.scenario = scenario_.name;
        result_.description = scenario_.description;
        result_.seed = options.seed;
        result_.asked_duration = scenario_.duration;
    }

    RunResult run() {
        const auto begin = Clock::now();
        show("starting");
        stage_.make_hosts();
        result_.remarks = observer_.begin();
        begun_ = true;
        stage_.start_servers();
        stage_.start_clients();
        work();
        stage_.stop_clients(stopped_early_);
        show("judging");
        FiredCounts fired;
        const Counting counting = stage_.take_summaries(fired);
        result_.properties = observer_.end(fired, counting, result_.remarks);
        if (options_.measure_overhead && !stopped_early_) measure_overhead();
        stage_.stop_servers();
        result_.calls =
            series_of(stage_.take_call_times(), result_.start_ns,
                      result_.start_ns + static_cast<std::uint64_t>(result_.workload_duration.count()) * 1'000'000);
        take_strikes();
        if (!stopped_early_) faults_.report_idle_faults();
        result_.whole_duration = since(begin);
        return std::move(result_);
    }

 private:
    void show(const char* phase, milliseconds worked = milliseconds(0)) {
        const ObservedProgress seen = begun_ ? observer_.progress() : ObservedProgress{};
        if (worked.count() > 0) result_.samples.push_back({worked, seen.events, seen.contexts, seen.violations});
        options_.on_progress({phase, worked, seen, faults_.in_force()});
    }

    // Lets the clients go and waits until all have ended, or the run has to.
    void work() {
        const auto begin = Clock::now();
        const auto end = begin + scenario_.duration;
        const auto deadline = end + end_limit();
        result_.start_ns = monotonic_ns();
        const CpuUse used_before = cpu_use();
        result_.resources.at_start = count_processes();
        look_at_resources(milliseconds(0));
        stage_.open_gates();
        auto next_sample = begin;
        auto last_seen = begin;
        auto next_look = begin + look_period();
        while (!work_is_over(deadline)) {
            if (Clock::now() >= next_sample) {
                next_sample += sample_period;
                show("working", since(begin));
            }
            if (Clock::now() >= next_look) {
                next_look += look_period();
                look_at_resources(since(begin));
            }
            if (Clock::now() >= end) {
                faults_.finish();
                stage_.end_commands();
            } else {
                faults_.act(since(begin));
            }
            const milliseconds next_fault = std::min(faults_.next(), scenario_.duration + end_limit());
            wait_for_change(std::min({deadline, next_sample, begin + next_fault}));
            const auto now = Clock::now();
            longest_absence_ = std::max(longest_absence_, now - std::exchange(last_seen, now));
        }
        stage_.keep_clients_away();
        faults_.finish();
        result_.workload_duration = since(begin);
        tell_of_absence();
        look_at_resources(result_.workload_duration);
        result_.resources.at_end = count_processes();
        result_.resources.cpu = cpu_use() - used_before;
    }

    // For the clients to end after their time; those that look for locks that are left may be denied so long.
    milliseconds end_limit() const {
        unsigned denials_ms = 0;
        for (const LockWorkloadPlan& workload : scenario_.workloads)
            denials_ms = std::max(denials_ms, workload.leak_check_ms);
        return options_.client_end_limit + milliseconds(2 * denials_ms);
    }

    // Nobody else had the processor then either, or not enough of it: who reads a verdict has to know.
    void tell_of_absence() {
        const auto absence = std::chrono::duration_cast<milliseconds>(longest_absence_);
        if (absence < longest_unnoticed_absence) return;
        result_.remarks.push_back(fmt::format(
            "the machine kept the harness waiting for {:.1f} s: what is late by so much is the machine's doing",
            static_cast<double>(absence.count()) / 1000));
    }

    // Thirty times, for runs of any length.
    milliseconds look_period() const { return std::max(milliseconds(1000), scenario_.duration / 30); }

    void look_at_resources(milliseconds at) {
        auto& samples = result_.resources.samples;
        samples.push_back({at, "harness", 1, held_by(getpid())});
        for (const Stage::RunningServer& server : stage_.running_servers())
            samples.push_back({at, server.name, server.life, held_by(server.pid)});
    }

    bool work_is_over(Clock::time_point deadline) {
        if (sandbox_.stop_requested()) return stop_early("interrupted");
        if (const auto death = stage_.dead_server()) return stop_early(*death);
        const bool nobody_comes_back = Clock::now() >= deadline - end_limit();
        return stage_.clients_are_done(nobody_comes_back) || Clock::now() >= deadline;
    }

    bool stop_early(const std::string& problem) {
        result_.problems.push_back(problem);
        stopped_early_ = true;
        return true;
    }

    void wait_for_change(Clock::time_point until) {
        std::vector<pollfd> wanted{{sandbox_.stop_fd(), POLLIN, 0}};
        for (const int fd : stage_.end_fds()) wanted.push_back({fd, POLLIN, 0});
        poll(wanted.data(), wanted.size(), poll_timeout_ms(until));
    }

    // With and without in turn, and each as often first as last: what the machine does besides concerns both.
    void measure_overhead() {
        constexpr std::array<bool, 6> traced{false, true, true, false, false, true};
        constexpr milliseconds slice{500};
        if (!observer_.listens_to_clients() || !stage_.makes_timed_calls()) {
            result_.remarks.push_back(
                "the overhead of live tracing is not measured: that needs a live property and a workload whose calls "
                "are timed");
            return;
        }
        show("measuring");
        Overhead overhead;
        for (const bool on : traced) {
            observer_.trace_unjudged(on);
            overhead.slices.push_back({on, stage_.work_unjudged(slice)});
        }
        observer_.trace_unjudged(false);
        result_.overhead = std::move(overhead);
    }

    // A run whose fault never struck shows nothing about those who should have found it.
    void take_strikes() {
        for (ArmedFault& fault : result_.faults) {
            fault.strikes_ns = strikes_of(fault.name, strike_log(options_, fault.server));
            if (fault.strikes_ns.empty())
                result_.problems.push_back("the deliberate fault " + fault.name + " in " + fault.server +
                                           " never struck");
        }
    }

    static constexpr milliseconds sample_period{100};
    static constexpr milliseconds longest_unnoticed_absence{1000};

    const RunOptions& options_;
    const Scenario& scenario_;
    Observer& observer_;
    const Sandbox& sandbox_;
    RunResult result_;
    Stage stage_;
    FaultInjector faults_;
    Clock::duration longest_absence_{0};  // between two looks of the loop, which are at most a sample's period apart
    bool stopped_early_ = false;
    bool begun_ = false;
};

}  // namespace

Programs Programs::beside_us() {
    const auto directory = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    return {directory / "nfs_server", directory / "lock_client", directory / "dlm_node", directory / "file_client",
            directory.parent_path() / "lib" / "liblockstep_shim.so"};
}

void Programs::require_for(const Scenario& scenario) const {
    std::vector<std::filesystem::path> needed;
    if (!scenario.servers.empty()) needed = {nfs_server, shim};
    for (const LockWorkloadPlan& workload : scenario.workloads)
        needed.push_back(workload_kind(workload.kind).on_files ? file_client
                         : workload.kind == dlm_locks          ? dlm_node
                                                               : lock_client);
    for (const auto& program : needed)
        if (!std::filesystem::exists(program)) throw Error("program " + program.string() + " is missing");
}

RunResult run_scenario(const RunOptions& options, Observer& observer, const Sandbox& sandbox) {
    return Run(options, observer, sandbox).run();
}

milliseconds longest_run(const Scenario& scenario) {
    constexpr milliseconds for_making_and_judging{60'000};  // and for measuring
    return scenario.duration + for_making_and_judging;
}

}  // namespace lockstep::harness
