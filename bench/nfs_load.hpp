// Load on an NFS server: so many connections, each a thread, each doing the same operation over and over in a directory
// or file of its own. Calls go out one at a time, but for the large reads and writes, of which a window is under way.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "netns_harness/workloads/remote_files.hpp"

namespace lockstep::bench {

// What a connection does over and over: the unit that is counted and whose latency is taken.
enum class Operation {
    small_file,      // CREATE, WRITE 100 bytes FILE_SYNC, REMOVE
    small_commit,    // CREATE, WRITE 100 bytes UNSTABLE, COMMIT, REMOVE
    metadata,        // CREATE, GETATTR, LOOKUP, SETATTR, RENAME, REMOVE
    get_attributes,  // GETATTR
    look_up,         // LOOKUP
    read_large,      // READ, from the file's beginning to its end
    write_large      // WRITE UNSTABLE, once from the file's beginning to its end, then COMMIT
};

// Of read_large and write_large.
struct StreamSettings {
    std::uint32_t block_bytes = 64 << 10;  // of each call
    std::uint32_t window = 16;             // calls under way
    std::uint64_t file_bytes = 64 << 20;   // of each connection's file; a multiple of block_bytes
};

struct LoadResult {
    std::uint64_t calls = 0;          // NFS calls answered
    std::uint64_t bytes = 0;          // of file data, by read_large and write_large
    std::vector<float> latencies_us;  // of each unit, ascending
    std::chrono::nanoseconds elapsed{0};
    double server_cpu_seconds = 0;  // user and system, of all its threads
    double client_cpu_seconds = 0;  // of this process

    double seconds() const { return std::chrono::duration<double>(elapsed).count(); }
    double calls_per_second() const { return static_cast<double>(calls) / seconds(); }
    double units_per_second() const { return static_cast<double>(latencies_us.size()) / seconds(); }
    // Below which this share of the units lies; 0 when there was none.
    double latency_us(double share) const;
};

// Loads the server for `duration`; write_large ends when all is written. What is read is compared with what was
// written. server_pid: the process whose CPU time is taken, 0 for none. Throws workloads::CallError.
LoadResult load(const workloads::ServerAddress& server, Operation operation, unsigned connections,
                std::chrono::milliseconds duration, const StreamSettings& stream = {}, pid_t server_pid = 0);

}  // namespace lockstep::bench
