// lock_client: owners of one host contend for byte ranges of a few files of an NFS server, and fire the lock_api
// tracepoints. Ready when connected (and, with --wait-for-listener, recorded); workload_program.hpp has the rest of its
// course. Its oracle's: a lock that did not hold.
#include <nlohmann/json.hpp>

#include "netns_harness/workloads/lock_workload.hpp"
#include "netns_harness/workloads/reclaiming_files.hpp"
#include "netns_harness/workloads/workload_program.hpp"

namespace lockstep::workloads {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
    ServerAddress server;
    std::string host = "client";
    std::uint32_t owners = 2;
    std::uint32_t files = 3;
    std::string directory = "locks";
    std::uint64_t seed = 1;
    std::uint32_t duration_ms = 1000;
    std::uint64_t turns = UINT64_MAX;
    std::uint32_t call_limit_ms = 5000;
    std::uint32_t listener_wait_ms = 0;
    bool patient = false;
    std::uint32_t life = 1;
    bool bury = false;
    std::uint32_t leak_check_ms = 0;
    Region region;
};

void declare(CLI::App& app, Options& options) {
    app.add_option("--server", options.server.address, "the server's address")->required();
    app.add_option("--port", options.server.nfs_port, "NFS port")->capture_default_str();
    app.add_option("--mount-port", options.server.mount_port, "MOUNT port")->capture_default_str();
    app.add_option("--nlm-port", options.server.nlm_port, "NLM port")->capture_default_str();
    app.add_option("--export", options.server.export_path, "what to mount")->capture_default_str();
    app.add_option("--host", options.host, "this client's name to the server")->capture_default_str();
    app.add_option("--owners", options.owners, "lock owners, each with connections of its own")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    app.add_option("--files", options.files, "files to contend for")->check(CLI::Range(1, 1000))->capture_default_str();
    app.add_option("--directory", options.directory, "directory that holds them")->capture_default_str();
    app.add_option("--region", options.region.size, "bytes of each file to contend for")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    app.add_option_function<unsigned>(
        "--lock-wait-ms", [&options](unsigned ms) { options.server.lock_wait = std::chrono::milliseconds(ms); },
        "wait for a lock that others have");
    app.add_option("--longest-range", options.region.longest_range, "bytes")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    app.add_option("--seed", options.seed, "all choices come from it")->capture_default_str();
    app.add_option("--duration-ms", options.duration_ms, "how long to work")->capture_default_str();
    app.add_option("--turns", options.turns, "at most so many turns an owner");
    app.add_option("--call-limit-ms", options.call_limit_ms, "how long to wait for an answer")->capture_default_str();
    app.add_option("--wait-for-listener", options.listener_wait_ms,
                   "do not begin before somebody records the lock_api tracepoints; give up after so many ms")
        ->capture_default_str();
    app.add_flag(
        "--patient", options.patient,
        "an owner whose call fails waits for the server and reclaims its locks; those that it does not get back "
        "it gives up, and goes on");
    app.add_option("--leak-check-ms", options.leak_check_ms,
                   "afterwards the whole of each file must be lockable, after so long of denials at most: nobody holds "
                   "anything any more");
    app.add_flag("--bury", options.bury,
                 "only say that the owners of --host hold nothing any more: before a host that is dead is fenced");
    app.add_option("--life", options.life,
                   "which start of this client it is: from the second on it first says that its locks are gone")
        ->capture_default_str();
}

// Whoever knows that a host is dead says in its place that it holds nothing any more.
int bury(const Options& options) {
    EventCounts counts;
    for (std::uint32_t number = 1; number <= options.owners; ++number)
        for (std::uint32_t file = 1; file <= options.files; ++file)
            fire_all_released(options.directory + "/file" + std::to_string(file),
                              OwnerName{options.host, number}.text(), counts);
    return 0;
}

std::vector<std::string> file_names(const Options& options) {
    std::vector<std::string> names;
    for (std::uint32_t number = 1; number <= options.files; ++number) names.push_back("file" + std::to_string(number));
    return names;
}

// The owners of this process, each with its connections and, while running, a thread.
class Owners {
 public:
    explicit Owners(const Options& options) : options_(options), file_names_(file_names(options)) {
        for (const std::string& name : file_names_) event_names_.push_back(options.directory + "/" + name);
        connections_.resize(options.owners);
        const auto deadline = deadline_ = Clock::now() + std::chrono::milliseconds(options.duration_ms);
        if (options.life > 1) begin_another_life(deadline);
        for (std::uint32_t index = 0; index < options.owners; ++index) connect(index, deadline);
    }

    void run() {
        const auto deadline = deadline_ = Clock::now() + std::chrono::milliseconds(options_.duration_ms);
        std::vector<std::thread> threads;
        for (std::uint32_t index = 0; index < options_.owners; ++index)
            threads.emplace_back([this, index, deadline] { run_owner(index, deadline); });
        for (std::thread& thread : threads) thread.join();
        if (options_.leak_check_ms > 0 && !stop_requested) check_leaks();
    }

    nlohmann::json summary() const {
        nlohmann::json failures = nlohmann::json::array();
        for (const OracleFailure& failure : counts_.first_failures()) failures.push_back(failure.text());
        for (const std::string& file : unlockable_)
            failures.push_back(file +
                               " could not be locked whole after the work: a lock is left, or a request is stuck");
        if (reclaims_.refused > 0)
            failures.push_back(options_.host + " was refused what it had held, in the grace period of a new server");
        const EventCounts& events = counts_.events;
        return {{"turns", counts_.turns.load()},
                {"reads", counts_.reads.load()},
                {"writes", counts_.writes.load()},
                {"events",
                 {{"requested", events.requested.load()},
                  {"acquired", events.acquired.load()},
                  {"denied", events.denied.load()},
                  {"released", events.released.load()}}},
                {"interruptions", interruptions_.load()},
                {"reclaimed", reclaims_.reclaimed.load()},
                {"reclaims_refused", reclaims_.refused.load()},
                {"oracle_failures", oracle_failures()},
                {"first_oracle_failures", failures},
                {"errors", errors_}};
    }

    bool failed() const { return !errors_.empty(); }
    bool oracle_failed() const { return oracle_failures() > 0; }

 private:
    std::uint64_t oracle_failures() const { return counts_.oracle_failures + reclaims_.refused + unlockable_.size(); }

    // Everybody gives up everything at the end, and the queue is fair: each gets each file in its turn. Patience is
    // counted in denials: a server that does not answer has denied nothing, and a machine that stood still has not
    // made anybody wait. Whoever is never answered is ended by the limit of the run, without a verdict.
    void check_leaks() {
        using std::chrono::milliseconds;
        deadline_ = Clock::now() + milliseconds(options_.leak_check_ms) + options_.server.grace_wait;
        auto denials = milliseconds(options_.leak_check_ms) / denial_pause;
        for (std::size_t file = 0; file < event_names_.size(); ++file)
            if (!can_lock_whole(file, denials)) unlockable_.push_back(event_names_[file]);
    }

    bool can_lock_whole(std::size_t file, std::chrono::milliseconds::rep& denials) {
        constexpr Range whole{0, UINT64_MAX};
        while (denials > 0 && Clock::now() < deadline_) {
            try {
                if (connections_[0] == nullptr) throw NoAnswer("there is no connection");
                TracedLocks locks(*connections_[0], event_names_, owner_name(0), counts_.events);
                if (locks.acquire(file, whole, Mode::exclusive)) {
                    locks.release(file, whole);
                    return true;
                }
                --denials;
                std::this_thread::sleep_for(denial_pause);
            } catch (const NoAnswer&) {
                give_up_all(0);
                if (!options_.patient || !start_again(0, deadline_)) return false;
            }
        }
        return false;
    }

    // What a former life of this host held ends here; then the server is told, and may give it to others.
    void begin_another_life(Clock::time_point deadline) {
        for (std::uint32_t index = 0; index < options_.owners; ++index) give_up_all(index);
        patiently(deadline, [this] { notify_of_restart(options_.server, options_.host, options_.life); });
    }

    std::string owner_name(std::uint32_t index) const { return OwnerName{options_.host, index + 1}.text(); }

    void give_up_all(std::uint32_t index) {
        for (const std::string& file : event_names_) fire_all_released(file, owner_name(index), counts_.events);
    }

    // Does it again until the server answers. False: the time was over first.
    template <class Work>
    bool patiently(Clock::time_point deadline, Work work) {
        for (;;) {
            try {
                work();
                return true;
            } catch (const NoAnswer&) {
                if (!options_.patient) throw;
                if (stop_requested || Clock::now() >= deadline) return false;
                std::this_thread::sleep_for(std::chrono::milliseconds(20));
            }
        }
    }

    bool connect(std::uint32_t index, Clock::time_point deadline) {
        return patiently(deadline, [&] {
            const auto make = [this, index] {
                return connect_files(options_.server, {options_.host, index + 1}, options_.directory, file_names_);
            };
            const auto goes_on = [this] { return !stop_requested && Clock::now() < deadline_; };
            if (options_.patient)
                connections_[index] = std::make_unique<ReclaimingFiles>(make, goes_on, reclaims_);
            else
                connections_[index] = make();
        });
    }

    void run_owner(std::uint32_t index, Clock::time_point deadline) {
        try {
            for (std::uint64_t part = 0; work_until_interrupted(index, part, deadline); ++part) {
                ++interruptions_;
                if (!start_again(index, deadline)) return;
            }
        } catch (const std::exception& error) {
            const std::lock_guard hold(errors_mutex_);
            errors_.push_back(owner_name(index) + ": " + error.what());
        }
    }

    // True: the server did not answer, and there is time left.
    bool work_until_interrupted(std::uint32_t index, std::uint64_t part, Clock::time_point deadline) {
        constexpr std::uint64_t most_owners = 64;
        if (connections_[index] == nullptr) return false;
        LockOwner owner(*connections_[index], event_names_, owner_name(index),
                        Random(options_.seed, index + 1 + part * most_owners), options_.region, counts_);
        try {
            for (std::uint64_t turn = 0; turn < options_.turns && !stop_requested && Clock::now() < deadline; ++turn)
                owner.take_turn();
            return false;
        } catch (const NoAnswer&) {
            if (!options_.patient) throw;
            give_up_all(index);
            return !stop_requested && Clock::now() < deadline;
        }
    }

    // A write that was not answered may be carried out while the old connection's last packets are under way; only
    // afterwards may others have the range. Then the server is told of what we gave up: it may have granted what we
    // never heard of.
    bool start_again(std::uint32_t index, Clock::time_point deadline) {
        connections_[index].reset();
        std::this_thread::sleep_for(settling_time);
        return connect(index, deadline) && patiently(deadline, [&] {
                   if (connections_[index] == nullptr) connect(index, deadline);
                   try {
                       for (std::size_t file = 0; file < file_names_.size(); ++file)
                           connections_[index]->unlock(file, {0, UINT64_MAX});
                   } catch (const NoAnswer&) {
                       connections_[index].reset();
                       throw;
                   }
               });
    }

    static constexpr std::chrono::milliseconds settling_time{300};
    static constexpr std::chrono::milliseconds denial_pause{5};

    const Options& options_;
    std::vector<std::string> file_names_;
    std::vector<std::string> event_names_;
    std::vector<std::unique_ptr<RemoteFiles>> connections_;
    WorkloadCounts counts_;
    std::atomic<std::uint64_t> interruptions_{0};
    ReclaimCounts reclaims_;
    std::vector<std::string> unlockable_;
    Clock::time_point deadline_;  // set before there are threads
    std::mutex errors_mutex_;
    std::vector<std::string> errors_;
};

int run(const Options& options) {
    if (options.bury && options.listener_wait_ms > 0)
        wait_for_listener(options.listener_wait_ms, lock_events_are_listened_to);
    if (options.bury) return bury(options);
    Owners owners(options);
    if (options.listener_wait_ms > 0) wait_for_listener(options.listener_wait_ms, lock_events_are_listened_to);
    wait_at_gate("lock_client");
    owners.run();
    std::puts(owners.summary().dump().c_str());
    return owners.failed() ? 2 : owners.oracle_failed() ? 1 : 0;
}

}  // namespace
}  // namespace lockstep::workloads

int main(int argc, char** argv) {
    using namespace lockstep::workloads;
    Options options;
    CLI::App app{"Byte-range lock contention on an NFS server, seen by the lock_api tracepoints.", "lock_client"};
    declare(app, options);
    return run_program(app, argc, argv, [&] {
        options.server.call_limit = std::chrono::milliseconds(options.call_limit_ms);
        // A server that came back at the end of the work is still to give back and to be asked for leaks.
        constexpr auto longest_grace_period = std::chrono::seconds(60);
        if (options.patient)
            options.server.grace_wait = std::chrono::milliseconds(options.duration_ms) + longest_grace_period;
        return run(options);
    });
}
