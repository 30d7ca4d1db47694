// What an owner of the workload does: takes a resource in some mode, changes the mode a few times, gives it back. It
// holds one resource at a time, so owners can't wait for each other in a circle over several.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "netns_harness/dlm/lock_session.hpp"
#include "netns_harness/workloads/random.hpp"

namespace lockstep::dlm {

struct WorkerPlan {
    std::string name;
    std::vector<Address> masters;  // in an order that all nodes share
    std::vector<std::string> resources;
    milliseconds wait{50};
    std::uint64_t seed = 1;
    std::uint64_t stream = 0;
};

struct WorkerCounts {
    EventCounts events;
    std::atomic<std::uint64_t> turns{0};
    std::atomic<std::uint64_t> conversions{0};
};

// The number of the master of a resource: the same on every node and every machine.
std::size_t master_of(const std::string& resource, std::size_t masters);

// One thread. Throws SocketError.
class LockWorker {
 public:
    // Connects to all masters by the deadline. Borrows `counts`.
    LockWorker(const WorkerPlan& plan, WorkerCounts& counts, Clock::time_point connected_by);

    void take_turn();

 private:
    Mode choose_mode() { return static_cast<Mode>(random_.below(mode_names.size())); }
    Ask choose_ask(const std::string& resource);
    void hold();

    WorkerPlan plan_;
    WorkerCounts& counts_;
    workloads::Random random_;
    std::vector<std::unique_ptr<LockSession>> sessions_;  // by the number of the master
};

}  // namespace lockstep::dlm
