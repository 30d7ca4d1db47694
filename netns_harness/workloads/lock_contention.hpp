// The owners of one host, contending for byte ranges of a few files until their time is over; then, if asked to, the
// search for locks that were left. Servers that die in the meantime are waited for, and what was held is reclaimed.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "netns_harness/workloads/lock_workload.hpp"
#include "netns_harness/workloads/reclaiming_files.hpp"
#include "netns_harness/workloads/remote_files.hpp"
#include "netns_harness/workloads/work_clock.hpp"

namespace lockstep::workloads {

struct LockContentionPlan {
    std::string host = "client";
    std::uint32_t owners = 2;  // 1 to 64
    std::uint32_t files = 3;
    std::string directory = "locks";
    std::uint64_t seed = 1;
    std::chrono::milliseconds duration{1000};
    std::uint64_t turns = UINT64_MAX;            // of each owner, at most
    bool patient = false;                        // an owner whose call is not answered waits for the server and goes on
    std::uint32_t life = 1;                      // from the second start on the host first says that its locks are gone
    std::chrono::milliseconds leak_check{0};     // how long it may be denied a file afterwards; 0: no check
    std::chrono::milliseconds longest_wait{0};   // that the server may make it wait in the queue before it denies
    std::chrono::milliseconds longest_grace{0};  // how long, after all that, it may wait for a grace period to end
    Region region;

    std::string owner_name(std::uint32_t index) const { return OwnerName{host, index + 1}.text(); }
    std::vector<std::string> file_names() const;   // within the directory
    std::vector<std::string> event_names() const;  // what the events call the files
};

// The way to the server, and the time. Borrowed.
struct LockContentionParts {
    std::function<std::unique_ptr<RemoteFiles>(const OwnerName&)> connect;  // throws CallError
    std::function<void()> tell_of_restart;                                  // throws CallError
    WorkClock& clock;
    const std::atomic<bool>& stop;  // when it is true, everybody ends soon
};

class LockContention {
 public:
    // Connects. Throws CallError; NoAnswer only if the plan is not patient.
    LockContention(LockContentionPlan plan, LockContentionParts parts);

    // Works in a thread for each owner, and returns when all have ended. Once. What goes wrong is counted.
    void run();

    // Read after run().
    const WorkloadCounts& counts() const { return counts_; }
    const ReclaimCounts& reclaims() const { return reclaims_; }
    std::uint64_t interruptions() const { return interruptions_; }
    // Files that were denied whole after the work, by the events' names.
    const std::vector<std::string>& unlockable() const { return unlockable_; }
    // Calls that failed, of owners that could not go on.
    const std::vector<std::string>& errors() const { return errors_; }

 private:
    using TimePoint = WorkClock::TimePoint;

    bool goes_on() const { return !parts_.stop && parts_.clock.now() < deadline_; }
    void begin_another_life();
    void give_up_all(std::uint32_t index);
    template <class Work>
    bool patiently(Work work);
    bool connect(std::uint32_t index);
    bool start_again(std::uint32_t index);
    void run_owner(std::uint32_t index);
    bool work_until_interrupted(std::uint32_t index, std::uint64_t part);
    void check_leaks();
    bool can_lock_whole(std::size_t file, std::chrono::nanoseconds& patience);
    bool ask_for_whole(std::size_t file);

    const LockContentionPlan plan_;
    const LockContentionParts parts_;
    const std::vector<std::string> file_names_;
    const std::vector<std::string> event_names_;
    std::vector<std::unique_ptr<RemoteFiles>> connections_;  // nullptr: what that owner holds is unknown
    WorkloadCounts counts_;
    std::atomic<std::uint64_t> interruptions_{0};
    ReclaimCounts reclaims_;
    std::vector<std::string> unlockable_;
    TimePoint deadline_;  // set while there are no threads
    std::mutex errors_mutex_;
    std::vector<std::string> errors_;
};

}  // namespace lockstep::workloads
