// The command lines and environments of a run's programs.
#pragma once

#include "netns_harness/network.hpp"
#include "netns_harness/run.hpp"

namespace lockstep::harness {

// What differs from one start of a program to the next.
struct Start {
    unsigned life = 1;          // 1: the first
    milliseconds remaining{0};  // of the run's duration
};

// An address in the sandbox for every host of the scenario.
using AddressOf = std::function<std::string(const std::string& host)>;

Command server_command(const RunOptions& options, Observer& observer, const ServerPlan& plan, const AddressOf& address,
                       const Start& start);

// `number`: the client's, from 1.
Command client_command(const RunOptions& options, Observer& observer, const ClientPlan& plan, std::uint64_t number,
                       const AddressOf& address, const Start& start);

// The file that is the server's disk; empty when none is.
std::string disk_file(const ServerPlan& plan);

// Where a life of a workload's client writes down how long its calls take.
std::filesystem::path call_times_file(const RunOptions& options, const std::string& life);

// Where a server writes down when its deliberate faults strike.
std::string strike_log(const RunOptions& options, const std::string& server);

}  // namespace lockstep::harness
