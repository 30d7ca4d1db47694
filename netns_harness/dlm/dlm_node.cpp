// dlm_node: a node of a distributed lock service: the master of its share of the resources, and owners that lock the
// resources of all nodes. Ready when it serves and is connected to every node (and, with --wait-for-listener,
// recorded); after its work it serves until the other nodes' owners have gone. workload_program.hpp has the rest of its
// course.
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

#include "netns_harness/dlm/fault.hpp"
#include "netns_harness/dlm/lock_master.hpp"
#include "netns_harness/dlm/lock_worker.hpp"
#include "netns_harness/workloads/workload_program.hpp"

namespace lockstep::dlm {
namespace {

using workloads::stop_requested;

struct Options {
    std::string name = "node";
    std::string listen;
    std::vector<std::string> nodes;
    std::uint32_t owners = 2;
    std::uint32_t resources = 4;
    std::uint32_t wait_ms = 50;
    std::uint64_t seed = 1;
    std::uint32_t duration_ms = 1000;
    std::uint32_t start_limit_ms = 15'000;
    std::uint32_t end_limit_ms = 5'000;
    std::uint32_t listener_wait_ms = 0;
    std::string fault;
    std::uint64_t fault_seed = 1;
    std::string fault_log;
    bool list_faults = false;
};

void declare(CLI::App& app, Options& options) {
    app.add_option("--name", options.name, "this node's")->capture_default_str();
    app.add_option("--listen", options.listen, "ADDRESS:PORT of this node; one of --node");
    app.add_option("--node", options.nodes, "ADDRESS:PORT of each node, in the same order on all of them")
        ->allow_extra_args(false);
    app.add_option("--owners", options.owners, "owners of this node")->check(CLI::Range(1, 64))->capture_default_str();
    app.add_option("--resources", options.resources, "resources to contend for")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--lock-wait-ms", options.wait_ms, "wait so long for what others have")->capture_default_str();
    app.add_option("--seed", options.seed, "all choices come from it")->capture_default_str();
    app.add_option("--duration-ms", options.duration_ms, "how long to work")->capture_default_str();
    app.add_option("--wait-for-listener", options.listener_wait_ms,
                   "do not begin before somebody records the lock_api tracepoints; give up after so many ms");
    app.add_option("--fault", options.fault, "turn a deliberate fault on")
        ->check(CLI::IsMember({IncompatibleGrant::name}));
    app.add_option("--fault-seed", options.fault_seed, "the fault's choices come from it");
    app.add_option("--fault-log", options.fault_log, "append a line to this file at each strike");
    app.add_flag("--list-faults", options.list_faults, "the deliberate faults there are");
}

// The owners of this node, each with its sessions and, while running, a thread.
class Workers {
 public:
    explicit Workers(const Options& options) : options_(options) {
        const auto connected_by = Clock::now() + milliseconds(options.start_limit_ms);
        WorkerPlan plan;
        for (const std::string& node : options.nodes) plan.masters.push_back(parse_address(node));
        for (std::uint32_t number = 1; number <= options.resources; ++number)
            plan.resources.push_back("resource" + std::to_string(number));
        plan.wait = milliseconds(options.wait_ms);
        plan.seed = options.seed;
        for (std::uint32_t number = 1; number <= options.owners; ++number) {
            plan.name = options.name + "/" + std::to_string(number);
            plan.stream = number;
            workers_.push_back(std::make_unique<LockWorker>(plan, counts_, connected_by));
        }
    }

    void run() {
        const auto deadline = Clock::now() + milliseconds(options_.duration_ms);
        std::vector<std::thread> threads;
        for (const auto& worker : workers_)
            threads.emplace_back([this, &worker, deadline] { run_worker(*worker, deadline); });
        for (std::thread& thread : threads) thread.join();
        workers_.clear();  // their sessions end
    }

    void add_error(const std::string& error) {
        const std::lock_guard hold(errors_mutex_);
        errors_.push_back(error);
    }

    nlohmann::json summary() const {
        return {{"turns", counts_.turns.load()},
                {"conversions", counts_.conversions.load()},
                {"events",
                 {{"requested", counts_.events.requested.load()},
                  {"acquired", counts_.events.acquired.load()},
                  {"denied", counts_.events.denied.load()},
                  {"released", counts_.events.released.load()}}},
                {"errors", errors_}};
    }

    bool failed() const { return !errors_.empty(); }

 private:
    void run_worker(LockWorker& worker, Clock::time_point deadline) {
        try {
            while (!stop_requested && Clock::now() < deadline) worker.take_turn();
        } catch (const std::exception& error) {
            add_error(error.what());
        }
    }

    const Options& options_;
    WorkerCounts counts_;
    std::vector<std::unique_ptr<LockWorker>> workers_;
    std::mutex errors_mutex_;
    std::vector<std::string> errors_;
};

void serve_until_others_have_gone(const LockMaster& master, const Options& options, Workers& workers) {
    const auto deadline = Clock::now() + milliseconds(options.end_limit_ms);
    while (master.sessions() > 0) {
        if (stop_requested) return;
        if (Clock::now() >= deadline) return workers.add_error("owners of other nodes did not go");
        std::this_thread::sleep_for(milliseconds(2));
    }
}

int list_faults() {
    std::printf("%-24s %s\n", IncompatibleGrant::name, IncompatibleGrant::summary);
    return 0;
}

int run(const Options& options) {
    if (options.list_faults) return list_faults();
    if (options.nodes.empty() || options.listen.empty()) throw CLI::RequiredError("--listen and --node");
    std::optional<IncompatibleGrant> fault;
    if (!options.fault.empty()) fault.emplace(options.fault_seed, options.fault_log);
    const LockMaster master(parse_address(options.listen), [&fault] { return fault && fault->strikes(); });
    Workers workers(options);
    if (options.listener_wait_ms > 0)
        workloads::wait_for_listener(options.listener_wait_ms, lock_events_are_listened_to);
    workloads::wait_at_gate("dlm_node");
    workers.run();
    serve_until_others_have_gone(master, options, workers);
    std::puts(workers.summary().dump().c_str());
    return workers.failed() ? 2 : 0;
}

}  // namespace
}  // namespace lockstep::dlm

int main(int argc, char** argv) {
    using namespace lockstep::dlm;
    Options options;
    CLI::App app{"A node of a distributed lock service, seen by the lock_api tracepoints.", "dlm_node"};
    declare(app, options);
    return lockstep::workloads::run_program(app, argc, argv, [&] { return run(options); });
}
