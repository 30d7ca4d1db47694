// Byte-range lock contention with an oracle of its own: what is written under an exclusive lock stays until the lock is
// given up, and what is read under a shared lock does not change. It needs no monitor to notice a lock that holds
// nobody off.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "netns_harness/workloads/random.hpp"
#include "netns_harness/workloads/remote_files.hpp"
#include "netns_harness/workloads/traced_locks.hpp"

namespace lockstep::workloads {

// The part of each file that is locked and written: small, so that owners meet, and across a block boundary.
struct Region {
    std::uint64_t first = 4096 - 128;
    std::uint32_t size = 256;
    std::uint32_t longest_range = 48;
};

// A lock did not hold others off.
struct OracleFailure {
    std::string owner;
    std::string file;
    Range range;  // that the lock covers
    Mode mode;
    std::string what;  // "byte 4100 was changed by another"
    std::string text() const;
};

// What the owners of one process did together. Counters may be read at any time.
struct WorkloadCounts {
    EventCounts events;
    std::atomic<std::uint64_t> turns{0};
    std::atomic<std::uint64_t> reads{0};
    std::atomic<std::uint64_t> writes{0};
    std::atomic<std::uint64_t> oracle_failures{0};

    // Keeps the first few failures whole. Any thread.
    void add_failure(const OracleFailure& failure);
    std::vector<OracleFailure> first_failures() const;

 private:
    mutable std::mutex mutex_;
    std::vector<OracleFailure> first_failures_;
};

// One owner. A turn: choose a file, a range and a mode; try to lock; work under the lock; perhaps change its mode, or
// give it up in two halves; give it up. At most one range is held at a time, so owners can't wait for each other in a
// circle.
class LockOwner {
 public:
    // Borrows everything but the name. `random`: all choices come from it.
    LockOwner(RemoteFiles& files, const std::vector<std::string>& file_names, std::string name, Random random,
              const Region& region, WorkloadCounts& counts);

    // Throws CallError; the owner is of no use afterwards.
    void take_turn();

 private:
    Range choose_range();
    void work(std::size_t file, Range range, Mode mode);
    void write_and_check(std::size_t file, Range range);
    void read_twice(std::size_t file, Range range);
    Mode change_mode(std::size_t file, Range range, Mode mode);
    Mode upgrade(std::size_t file, Range range);
    Mode downgrade(std::size_t file, Range range);
    void give_up(std::size_t file, Range range, Mode mode);
    Bytes read(std::size_t file, Range range);
    void compare(std::size_t file, Range range, Mode mode, const Bytes& expected, const Bytes& found);
    Range within_region(Range range) const;

    RemoteFiles& files_;
    const std::vector<std::string>& file_names_;
    std::string name_;
    Random random_;
    Region region_;
    WorkloadCounts& counts_;
    TracedLocks locks_;
};

}  // namespace lockstep::workloads
