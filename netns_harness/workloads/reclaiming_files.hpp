// Locks that outlive their server, as those of a real client do: when the server does not answer, everything that is
// held is reclaimed from the one that comes up, and only then does the interrupted call go on. For whoever uses it a
// restart is a call that takes long.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "netns_harness/workloads/remote_files.hpp"
#include "netns_harness/workloads/work_clock.hpp"

namespace lockstep::workloads {

// What was held can't be had again: the server did not restart, or its grace period was over. What is locked is
// unknown.
class LocksLost : public NoAnswer {
    using NoAnswer::NoAnswer;
};

// By all owners of a process together.
struct ReclaimCounts {
    std::atomic<std::uint64_t> reclaimed{0};
    // In the grace period of a server that knew us another had what was ours: a promise was broken.
    std::atomic<std::uint64_t> refused{0};
};

struct HeldRange {
    std::size_t file = 0;
    Range range;
    Mode mode = Mode::shared;
    bool operator==(const HeldRange&) const = default;
};

// What an owner holds, by the rules of POSIX: a lock takes the place of what the same owner held of the range.
class HeldRanges {
 public:
    void lock(const HeldRange& held);
    void unlock(std::size_t file, Range range);
    const std::vector<HeldRange>& all() const { return held_; }

 private:
    std::vector<HeldRange> held_;
};

// One thread.
class ReclaimingFiles final : public RemoteFiles {
 public:
    using Connect = std::function<std::unique_ptr<RemoteFiles>()>;

    // connect: throws NoAnswer while the server is away. goes_on: whether to wait for the server still; when not, the
    // NoAnswer is the caller's. Borrows `counts` and `clock`.
    ReclaimingFiles(Connect connect, std::function<bool()> goes_on, ReclaimCounts& counts, WorkClock& clock);

    std::uint32_t lock(std::size_t file, Range range, Mode mode) override;
    void unlock(std::size_t file, Range range) override;
    Bytes read(std::size_t file, std::uint64_t offset, std::uint32_t count) override;
    void write(std::size_t file, std::uint64_t offset, const Bytes& bytes) override;

 private:
    template <class Call>
    auto persist(Call call);
    void recover();
    void reclaim_all();

    Connect connect_;
    std::function<bool()> goes_on_;
    ReclaimCounts& counts_;
    WorkClock& clock_;
    std::unique_ptr<RemoteFiles> files_;  // nullptr: there is no connection
    HeldRanges held_;
};

}  // namespace lockstep::workloads
