// Builds every state of the disk that a crash may leave, recovers from it, and judges what is there. Layer: explore.
//
//   power failure   what no barrier covers is there, is not, or is torn.
//   then            recovery begins, and fails at every point of its own; or ends, and the server goes on serving, and
//                   fails again.
//   kill            the process dies, the disk forgets nothing yet; recovery begins; then the power fails.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "nfs_server/explore/recorded_run.hpp"

namespace lockstep::server::explore {

/// One crash state of a run.
struct CrashState {
    std::size_t point = 0;   ///< the crash comes after so many events of the disk
    std::size_t choice = 0;  ///< which of the states that are possible then
    friend bool operator==(const CrashState&, const CrashState&) = default;
};

struct Failure {
    Steps steps;
    std::uint64_t fault_seed = 1;     ///< as in ExploreOptions
    std::optional<CrashState> state;  ///< nothing: server and model disagree without any crash
    std::size_t events = 0;           ///< of the whole run
    std::string problem;
};

struct ExploreOptions {
    std::uint64_t seed = 1;
    /// States after which exploring ends; 0: no limit.
    std::uint64_t states_limit = 0;
    /// A fault that is on while workloads run, and off while states are judged; empty: none.
    std::string fault{};
    /// Chooses, together with the steps, when the fault strikes.
    std::uint64_t fault_seed = 1;
    /// Only this state of each workload.
    std::optional<CrashState> only{};
};

struct ExploreCounts {
    std::uint64_t workloads = 0;
    std::uint64_t placed_blocks = 0;    ///< that the workloads wrote straight home
    std::uint64_t states = 0;           ///< different states after a crash of a workload
    std::uint64_t recovery_states = 0;  ///< different states after a second crash, in recovery or after it
};

class Explorer {
 public:
    explicit Explorer(ExploreOptions options) : options_(std::move(options)) {}

    /// Explores one workload; the first state that is wrong. Same steps, seed and fault: the same states.
    std::optional<Failure> explore(const Steps& steps);
    /// The shortest failing workload that can be made of a failing one by leaving out steps.
    Failure shrink(Failure failure) const;

    bool limit_reached() const {
        return options_.states_limit != 0 && counts_.states + counts_.recovery_states >= options_.states_limit;
    }
    const ExploreCounts& counts() const { return counts_; }
    const ExploreOptions& options() const { return options_; }

 private:
    using Candidates = std::vector<const Tree*>;

    std::optional<Failure> explore_shorter(const Steps& steps) const;
    std::unique_ptr<const RecordedRun> record(const Steps& steps) const;
    std::string judge_state(const RecordedRun& run, CrashState state, disk::ImageDisk& image);
    std::string judge_kill(const RecordedRun& run, std::size_t point);
    std::string go_on_and_crash(disk::RecordingDisk& recording, std::size_t first_point, const Candidates& before,
                                std::uint64_t seed);
    bool is_new(const disk::ImageDisk& image, const disk::RecordingDisk& recording, std::uint64_t context);

    ExploreOptions options_;
    ExploreCounts counts_;
    std::unordered_set<std::uint64_t> seen_;  // of the present workload
};

}  // namespace lockstep::server::explore
