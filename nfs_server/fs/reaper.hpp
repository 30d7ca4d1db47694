// Frees what removals and truncations cut off, in transactions of bounded size. The orphan bitmap on the disk says
// which inodes have such work left, so that it goes on after a crash. Layer: fs.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <unordered_set>

#include "nfs_server/fs/error.hpp"
#include "nfs_server/fs/operation.hpp"

namespace lockstep::server::fs {

/// A queue of inodes and, if wanted, a thread that works on it.
class Reaper {
 public:
    /// `step(inode)` does one bounded transaction's work on an inode: true when nothing is left to do.
    using Step = std::function<Outcome<bool>(std::uint64_t inode)>;

    explicit Reaper(Step step) : step_(std::move(step)) {}
    /// Stops the thread after its present step. What is left waits for the next mount.
    ~Reaper();

    void start_thread();
    void add(std::uint64_t inode);
    /// Does all the work of one inode, in the calling thread.
    Outcome<void> finish(std::uint64_t inode);
    /// Does all the work that is queued, in the calling thread, and waits for the thread's present step. True when
    /// there was any. Not for a step: it would wait for itself. Errors: those of the step; the work stays queued.
    Outcome<bool> drain();

 private:
    std::optional<std::uint64_t> begin_step();
    void end_step(std::uint64_t inode, bool done);
    std::optional<std::uint64_t> next_to_drain(bool& worked);
    void enqueue(std::uint64_t inode);
    std::uint64_t dequeue();
    void work(const std::stop_token& stop);

    Step step_;
    std::mutex mutex_;
    std::condition_variable_any wake_;     // something is queued, or the thread shall stop
    std::condition_variable_any stepped_;  // the thread's step has ended
    bool is_stepping_ = false;             // the thread
    std::deque<std::uint64_t> queue_;
    std::unordered_set<std::uint64_t> queued_;
    std::jthread thread_;
};

/// The step: frees some of the inode's tail, and the inode itself when it has no name any more.
Outcome<bool> reap_some(Operation& op, std::uint64_t inode);

/// Takes one name from the inode; with the last one it is gone: freed at once when it is small, else left to the
/// reaper. The caller holds it exclusively. Errors: io, corrupt.
Outcome<void> drop_link(Operation& op, Inode& inode);

}  // namespace lockstep::server::fs
