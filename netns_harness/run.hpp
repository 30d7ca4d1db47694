// One run of a scenario, inside a sandbox: makes the network, starts servers and clients, watches them, stops
// everything.
#pragma once

#include <filesystem>
#include <functional>

#include "netns_harness/observer.hpp"
#include "netns_harness/result.hpp"
#include "netns_harness/sandbox.hpp"
#include "netns_harness/scenario.hpp"

namespace lockstep::harness {

// Where the programs are that a run starts.
struct Programs {
    std::filesystem::path nfs_server;
    std::filesystem::path lock_client;
    std::filesystem::path dlm_node = {};
    std::filesystem::path file_client{};
    std::filesystem::path shim{};  // the library

    // Beside the running program; whether they are there is not looked at.
    static Programs beside_us();
    // Throws Error naming one that the scenario needs and that is missing.
    void require_for(const Scenario& scenario) const;
};

// What to show while a run goes on.
struct RunProgress {
    const char* phase;  // "starting", "working", "judging"
    milliseconds worked{0};
    ObservedProgress observed;
    std::vector<std::string> faults_in_force{};  // "kill of server"
};

struct RunOptions {
    Scenario scenario;  // with the duration to use
    std::uint64_t seed = 0;
    std::vector<std::string> faults;  // names that the servers know, or, where there are none, the nodes of dlm_locks
    std::filesystem::path logs;       // an existing directory
    Programs programs;
    std::function<void(const RunProgress&)> on_progress = [](const RunProgress&) {};
    bool measure_overhead = false;         // of live tracing, after the judgement
    milliseconds start_limit{15'000};      // for one program to be ready
    milliseconds client_end_limit{5'000};  // for a client to end after its time
    milliseconds stop_grace{3'000};        // for a program to end after SIGTERM
};

// Runs it. What went wrong after the clients had begun is in the result's problems; a run that could not begin throws
// Error.
RunResult run_scenario(const RunOptions& options, Observer& observer, const Sandbox& sandbox);

// The longest that a run may take, with allowances for starting, ending and judging.
milliseconds longest_run(const Scenario& scenario);

}  // namespace lockstep::harness
