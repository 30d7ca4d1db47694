// lock_client: owners of one host contend for byte ranges of a few files of an NFS server, and fire the lock_api
// tracepoints. Ready when connected (and, with --wait-for-listener, recorded); workload_program.hpp has the rest of its
// course. Its oracle's: a lock that did not hold.
#include <nlohmann/json.hpp>

#include "netns_harness/workloads/lock_contention.hpp"
#include "netns_harness/workloads/workload_program.hpp"

namespace lockstep::workloads {
namespace {

struct Options {
    ServerAddress server;
    LockContentionPlan plan;
    std::uint32_t duration_ms = 1000;
    std::uint32_t call_limit_ms = 5000;
    std::uint32_t listener_wait_ms = 0;
    std::uint32_t leak_check_ms = 0;
    bool bury = false;
};

void declare(CLI::App& app, Options& options) {
    app.add_option("--server", options.server.address, "the server's address")->required();
    app.add_option("--port", options.server.nfs_port, "NFS port")->capture_default_str();
    app.add_option("--mount-port", options.server.mount_port, "MOUNT port")->capture_default_str();
    app.add_option("--nlm-port", options.server.nlm_port, "NLM port")->capture_default_str();
    app.add_option("--export", options.server.export_path, "what to mount")->capture_default_str();
    app.add_option("--host", options.plan.host, "this client's name to the server")->capture_default_str();
    app.add_option("--owners", options.plan.owners, "lock owners, each with connections of its own")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    app.add_option("--files", options.plan.files, "files to contend for")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--directory", options.plan.directory, "directory that holds them")->capture_default_str();
    app.add_option("--region", options.plan.region.size, "bytes of each file to contend for")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    app.add_option_function<unsigned>(
        "--lock-wait-ms", [&options](unsigned ms) { options.server.lock_wait = std::chrono::milliseconds(ms); },
        "wait for a lock that others have");
    app.add_option("--longest-range", options.plan.region.longest_range, "bytes")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    app.add_option("--seed", options.plan.seed, "all choices come from it")->capture_default_str();
    app.add_option("--duration-ms", options.duration_ms, "how long to work")->capture_default_str();
    app.add_option("--turns", options.plan.turns, "at most so many turns an owner");
    app.add_option("--call-limit-ms", options.call_limit_ms, "how long to wait for an answer")->capture_default_str();
    app.add_option("--wait-for-listener", options.listener_wait_ms,
                   "do not begin before somebody records the lock_api tracepoints; give up after so many ms")
        ->capture_default_str();
    app.add_flag(
        "--patient", options.plan.patient,
        "an owner whose call fails waits for the server and reclaims its locks; those that it does not get back "
        "it gives up, and goes on");
    app.add_option("--leak-check-ms", options.leak_check_ms,
                   "afterwards the whole of each file must be lockable, after so long of denials at most: nobody holds "
                   "anything any more");
    app.add_flag("--bury", options.bury,
                 "only say that the owners of --host hold nothing any more: before a host that is dead is fenced");
    app.add_option("--life", options.plan.life,
                   "which start of this client it is: from the second on it first says that its locks are gone")
        ->capture_default_str();
}

// Whoever knows that a host is dead says in its place that it holds nothing any more.
int bury(const LockContentionPlan& plan) {
    EventCounts counts;
    for (std::uint32_t index = 0; index < plan.owners; ++index)
        for (const std::string& file : plan.event_names()) fire_all_released(file, plan.owner_name(index), counts);
    return 0;
}

nlohmann::json summary(const LockContention& contention, const std::string& host) {
    const WorkloadCounts& counts = contention.counts();
    const std::uint64_t refused = contention.reclaims().refused;
    nlohmann::json failures = nlohmann::json::array();
    for (const OracleFailure& failure : counts.first_failures()) failures.push_back(failure.text());
    for (const std::string& file : contention.unlockable())
        failures.push_back(file + " could not be locked whole after the work: a lock is left, or a request is stuck");
    if (refused > 0) failures.push_back(host + " was refused what it had held, in the grace period of a new server");
    const EventCounts& events = counts.events;
    return {{"turns", counts.turns.load()},
            {"reads", counts.reads.load()},
            {"writes", counts.writes.load()},
            {"events",
             {{"requested", events.requested.load()},
              {"acquired", events.acquired.load()},
              {"denied", events.denied.load()},
              {"released", events.released.load()}}},
            {"interruptions", contention.interruptions()},
            {"reclaimed", contention.reclaims().reclaimed.load()},
            {"reclaims_refused", refused},
            {"oracle_failures", counts.oracle_failures + refused + contention.unlockable().size()},
            {"first_oracle_failures", failures},
            {"errors", contention.errors()}};
}

int run(const Options& options) {
    const LockContentionPlan& plan = options.plan;
    if (options.bury && options.listener_wait_ms > 0)
        wait_for_listener(options.listener_wait_ms, lock_events_are_listened_to);
    if (options.bury) return bury(plan);
    MachineClock clock;
    const auto connect = [&](const OwnerName& owner) {
        return connect_files(options.server, owner, plan.directory, plan.file_names());
    };
    const auto tell_of_restart = [&] { notify_of_restart(options.server, plan.host, plan.life); };
    LockContention contention(plan, {connect, tell_of_restart, clock, stop_requested});
    if (options.listener_wait_ms > 0) wait_for_listener(options.listener_wait_ms, lock_events_are_listened_to);
    wait_at_gate("lock_client");
    contention.run();
    const nlohmann::json found = summary(contention, plan.host);
    std::puts(found.dump().c_str());
    return !contention.errors().empty() ? 2 : found["oracle_failures"] > 0 ? 1 : 0;
}

}  // namespace
}  // namespace lockstep::workloads

int main(int argc, char** argv) {
    using namespace lockstep::workloads;
    Options options;
    CLI::App app{"Byte-range lock contention on an NFS server, seen by the lock_api tracepoints.", "lock_client"};
    declare(app, options);
    return run_program(app, argc, argv, [&] {
        using std::chrono::milliseconds;
        options.server.call_limit = milliseconds(options.call_limit_ms);
        options.plan.duration = milliseconds(options.duration_ms);
        options.plan.leak_check = milliseconds(options.leak_check_ms);
        options.plan.longest_wait = options.server.lock_wait;
        // A server that came back at the end of the work is still to give back and to be asked for leaks.
        constexpr auto longest_grace_period = std::chrono::seconds(60);
        if (options.plan.patient) options.server.grace_wait = options.plan.duration + longest_grace_period;
        options.plan.longest_grace = options.server.grace_wait;
        return run(options);
    });
}
