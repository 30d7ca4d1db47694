// file_client: workers of one host do a workload on files of an NFS server, and check what they see.
// workload_program.hpp has its course.
#include <mutex>
#include <nlohmann/json.hpp>

#include "netns_harness/workloads/file_workloads.hpp"
#include "netns_harness/workloads/workload_program.hpp"

namespace lockstep::workloads {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
    ServerAddress server;
    std::string kind;
    std::string host = "client";
    unsigned workers = 2;
    std::string directory = "files";
    std::uint64_t seed = 1;
    std::uint32_t duration_ms = 1000;
    std::uint32_t call_limit_ms = 5000;
    bool patient = false;
    bool disk_may_fail = false;
    std::string recording;
    bool list = false;
};

void declare(CLI::App& app, Options& options) {
    app.add_option("--kind", options.kind, "which workload");
    app.add_option("--server", options.server.address, "the server's address");
    app.add_option("--port", options.server.nfs_port, "NFS port")->capture_default_str();
    app.add_option("--mount-port", options.server.mount_port, "MOUNT port")->capture_default_str();
    app.add_option("--export", options.server.export_path, "what to mount")->capture_default_str();
    app.add_option("--host", options.host, "this client's name, unique in the run")->capture_default_str();
    app.add_option("--workers", options.workers, "each with a connection of its own")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    app.add_option("--directory", options.directory, "directory that they share")->capture_default_str();
    app.add_option("--seed", options.seed, "all choices come from it")->capture_default_str();
    app.add_option("--duration-ms", options.duration_ms, "how long to work")->capture_default_str();
    app.add_option("--call-limit-ms", options.call_limit_ms, "how long to wait for an answer")->capture_default_str();
    app.add_flag("--patient", options.patient, "go on when a server that did not answer answers again");
    app.add_flag("--disk-may-fail", options.disk_may_fail,
                 "answers that the server's disk failed, or is full, are no errors");
    app.add_option("--recording", options.recording, "of recorded_run: the calls that a run's --out directory keeps");
    app.add_flag("--list", options.list, "the kinds there are, and end");
}

class Workers {
 public:
    explicit Workers(const Options& options) : options_(options) {}

    void run(const FileWorkloadKind& kind) {
        deadline_ = Clock::now() + std::chrono::milliseconds(options_.duration_ms);
        std::vector<std::thread> threads;
        for (unsigned index = 0; index < options_.workers; ++index)
            threads.emplace_back([this, index, &kind] { work(index, kind); });
        for (std::thread& thread : threads) thread.join();
    }

    nlohmann::json summary() const {
        return {{"turns", turns_},
                {"reads", reads_},
                {"writes", writes_},
                {"events", nlohmann::json::object()},
                {"interruptions", interruptions_},
                {"oracle_failures", oracle_failures_},
                {"first_oracle_failures", first_failures_},
                {"errors", errors_}};
    }

    int exit_status() const { return !errors_.empty() ? 2 : oracle_failures_ > 0 ? 1 : 0; }

 private:
    bool over() const { return stop_requested || Clock::now() >= deadline_; }

    void work(unsigned index, const FileWorkloadKind& kind) {
        Worker worker{options_.host + "-" + std::to_string(index + 1), Random(options_.seed, index + 1),
                      [this](const std::string& what) { note_failure(what); }, options_.recording};
        std::unique_ptr<FileWorkload> workload;
        try {
            workload = kind.make(worker);
        } catch (const std::exception& error) {
            return note_error(worker.name + ": " + error.what());
        }
        std::unique_ptr<RemoteTree> tree;
        std::uint64_t turns = 0, interruptions = 0;
        while (!over()) {
            try {
                if (!tree) tree = connect_tree(options_.server, options_.directory);
                for (; !over(); ++turns) workload->take_turn(*tree);
            } catch (const CallError& error) {
                if (!is_excused(error)) {
                    note_error(worker.name + ": " + error.what());
                    break;
                }
                ++interruptions;
                tree.reset();
                std::this_thread::sleep_for(settling_time);
            }
        }
        const std::lock_guard hold(mutex_);
        turns_ += turns;
        interruptions_ += interruptions;
        reads_ += worker.reads;
        writes_ += worker.writes;
    }

    bool is_excused(const CallError& error) const {
        if (dynamic_cast<const NoAnswer*>(&error) != nullptr) return options_.patient;
        const auto* refused = dynamic_cast<const Refused*>(&error);
        return refused != nullptr && options_.disk_may_fail &&
               (refused->status == status_io || refused->status == status_no_space ||
                refused->status == status_server_fault);
    }

    void note_failure(const std::string& what) {
        constexpr std::size_t kept = 16;
        const std::lock_guard hold(mutex_);
        ++oracle_failures_;
        if (first_failures_.size() < kept) first_failures_.push_back(what);
    }

    void note_error(const std::string& what) {
        const std::lock_guard hold(mutex_);
        errors_.push_back(what);
    }

    // What was sent and not answered may arrive until then.
    static constexpr std::chrono::milliseconds settling_time{300};

    const Options& options_;
    Clock::time_point deadline_;
    std::mutex mutex_;
    std::uint64_t turns_ = 0, reads_ = 0, writes_ = 0, interruptions_ = 0, oracle_failures_ = 0;
    std::vector<std::string> first_failures_, errors_;
};

int run(const Options& options) {
    if (options.list) {
        for (const FileWorkloadKind& kind : file_workload_kinds()) std::printf("%-20s %s\n", kind.name, kind.promise);
        return 0;
    }
    const auto& kinds = file_workload_kinds();
    const auto kind = std::ranges::find_if(kinds, [&](const auto& each) { return each.name == options.kind; });
    if (kind == kinds.end()) throw std::runtime_error("there is no workload '" + options.kind + "': see --list");
    Workers workers(options);
    wait_at_gate("file_client");
    workers.run(*kind);
    std::puts(workers.summary().dump().c_str());
    return workers.exit_status();
}

}  // namespace
}  // namespace lockstep::workloads

int main(int argc, char** argv) {
    using namespace lockstep::workloads;
    Options options;
    CLI::App app{"A workload on the files of an NFS server, with an oracle of its own.", "file_client"};
    declare(app, options);
    return run_program(app, argc, argv, [&] {
        options.server.call_limit = std::chrono::milliseconds(options.call_limit_ms);
        return run(options);
    });
}
