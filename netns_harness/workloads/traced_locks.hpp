// Locks that tell of themselves: fires the lock_api tracepoints at the moments that keep every event inside the time in
// which the lock is truly held. So what a monitor sees is never more than what the server granted:
//   acquired fires after the reply came; released fires before the request leaves; a downgrade is a release of the old
//   mode.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "netns_harness/workloads/remote_files.hpp"

namespace lockstep::workloads {

// What was fired, by all owners of a process together.
struct EventCounts {
    std::atomic<std::uint64_t> requested{0};
    std::atomic<std::uint64_t> acquired{0};
    std::atomic<std::uint64_t> denied{0};
    std::atomic<std::uint64_t> released{0};
};

// Whether somebody records or verifies the lock_api tracepoints now.
bool lock_events_are_listened_to();

// Fires that `owner` gives up whatever it holds of `file_name`: it is not going to count on it, though nobody has told
// the server yet.
void fire_all_released(const std::string& file_name, const std::string& owner, EventCounts& counts);

// One owner's locks. One thread. Throws CallError, after which what is held is unknown and nothing more may be fired.
class TracedLocks {
 public:
    // Borrows all but `owner`; `file_names`: what the events call the files.
    TracedLocks(RemoteFiles& files, const std::vector<std::string>& file_names, std::string owner, EventCounts& counts)
        : files_(files), file_names_(file_names), owner_(std::move(owner)), counts_(counts) {}

    // Asks for a range that the owner doesn't hold, or holds in a weaker mode. False: others have it, nothing changed.
    bool acquire(std::size_t file, Range range, Mode mode);

    // Exclusive becomes shared. Always granted by a server that keeps POSIX' semantics: false is that server's error,
    // and the range then counts as not held.
    bool downgrade(std::size_t file, Range range);

    // Gives up a range of which every byte is held.
    void release(std::size_t file, Range range);

 private:
    RemoteFiles& files_;
    const std::vector<std::string>& file_names_;
    std::string owner_;
    EventCounts& counts_;
};

}  // namespace lockstep::workloads
