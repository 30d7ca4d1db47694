// Closed-loop load on an NFS server: so many connections, each a thread with one call at a time, each doing the same
// operation over and over in a directory of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "netns_harness/workloads/remote_files.hpp"

namespace lockstep::bench {

// What a connection does over and over.
enum class Operation {
    small_file,  // CREATE, WRITE 100 bytes FILE_SYNC, REMOVE
    metadata     // CREATE, GETATTR, LOOKUP, SETATTR, RENAME, REMOVE
};

struct LoadResult {
    std::uint64_t calls = 0;  // NFS calls answered
    std::chrono::nanoseconds elapsed{0};
    double calls_per_second() const { return static_cast<double>(calls) * 1e9 / static_cast<double>(elapsed.count()); }
};

// Loads the server for `duration`. Throws workloads::CallError.
LoadResult load(const workloads::ServerAddress& server, Operation operation, unsigned connections,
                std::chrono::milliseconds duration);

}  // namespace lockstep::bench
