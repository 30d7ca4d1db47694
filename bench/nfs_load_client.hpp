// One client of a load: a connection of its own, used by one thread. See nfs_load.hpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "bench/nfs_load.hpp"

namespace lockstep::bench {

// What it counts is zero when run() begins. Every member throws workloads::CallError.
class LoadClient {
 public:
    using Clock = std::chrono::steady_clock;

    virtual ~LoadClient() = default;
    // Works until the deadline, or, for Operation::write_large, until its bytes are written and committed.
    virtual void run(Clock::time_point deadline) = 0;

    std::uint64_t calls = 0;          // answered
    std::uint64_t bytes = 0;          // of file data, read or written
    std::vector<float> latencies_us;  // of each unit

 protected:
    void finished(Clock::time_point began) {
        latencies_us.push_back(std::chrono::duration<float, std::micro>(Clock::now() - began).count());
    }
};

// Clients connect, and make what they work on, when they are made. `number` tells them apart.
std::unique_ptr<LoadClient> make_call_client(const workloads::ServerAddress& server, Operation operation,
                                             unsigned number);
std::unique_ptr<LoadClient> make_stream_client(const workloads::ServerAddress& server, Operation operation,
                                               unsigned number, const StreamSettings& settings);

}  // namespace lockstep::bench
