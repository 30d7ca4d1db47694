#include "nfs_server/fs/reaper.hpp"

#include <chrono>

#include "nfs_server/fs/file_data.hpp"

namespace lockstep::server::fs {

Reaper::~Reaper() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    wake_.notify_all();
}

void Reaper::start_thread() {
    thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

// Under mutex_, as the next.
void Reaper::enqueue(std::uint64_t inode) {
    if (!queued_.insert(inode).second) return;
    queue_.push_back(inode);
    wake_.notify_one();
}

// Precondition: something is queued.
std::uint64_t Reaper::dequeue() {
    const std::uint64_t inode = queue_.front();
    queue_.pop_front();
    queued_.erase(inode);
    return inode;
}

void Reaper::add(std::uint64_t inode) {
    std::lock_guard hold(mutex_);
    enqueue(inode);
}

std::optional<std::uint64_t> Reaper::begin_step() {
    std::lock_guard hold(mutex_);
    if (queue_.empty()) return std::nullopt;
    is_stepping_ = true;
    return dequeue();
}

// After an error, too, the inode goes back to the end of the queue.
void Reaper::end_step(std::uint64_t inode, bool done) {
    std::lock_guard hold(mutex_);
    if (!done) enqueue(inode);
    is_stepping_ = false;
    stepped_.notify_all();
}

// What the thread has in its hands is not queued, and its space will be free in a moment: that is waited for.
std::optional<std::uint64_t> Reaper::next_to_drain(bool& worked) {
    std::unique_lock hold(mutex_);
    worked = worked || is_stepping_ || !queue_.empty();
    stepped_.wait(hold, [this] { return !queue_.empty() || !is_stepping_; });
    if (queue_.empty()) return std::nullopt;
    return dequeue();
}

Outcome<void> Reaper::finish(std::uint64_t inode) {
    for (;;) {
        LOCKSTEP_TRY(const bool done, step_(inode));
        if (done) return {};
    }
}

Outcome<bool> Reaper::drain() {
    bool worked = false;
    while (const auto inode = next_to_drain(worked)) {
        if (const auto done = finish(*inode); !done) {
            add(*inode);
            return fail(done.error());
        }
    }
    return worked;
}

// After an error the thread waits for a while: the log may get room.
void Reaper::work(const std::stop_token& stop) {
    using namespace std::chrono_literals;
    while (!stop.stop_requested()) {
        const auto inode = begin_step();
        if (!inode) {
            std::unique_lock hold(mutex_);
            wake_.wait(hold, stop, [this] { return !queue_.empty(); });
            continue;
        }
        const Outcome<bool> done = step_(*inode);
        end_step(*inode, done && *done);
        if (!done) {
            std::unique_lock hold(mutex_);
            wake_.wait_for(hold, stop, 1s, [] { return false; });
        }
    }
}

Outcome<bool> reap_some(Operation& op, std::uint64_t number) {
    LOCKSTEP_TRY(Inode * inode, op.lock_any(number, txn::LockMode::exclusive));
    if (!inode->is_shrinking()) return true;  // somebody else was faster
    LOCKSTEP_TRY(const bool done, free_tail(op, *inode));
    if (done && (*inode)->nlink == 0) {
        LOCKSTEP_TRY(op.free_inode(*inode));
    }
    return done;
}

Outcome<void> drop_link(Operation& op, Inode& inode) {
    inode.change().ctime_ns = op.now_ns();
    inode.change().nlink = inode.is_directory() ? 0 : inode->nlink - 1;
    if (inode->nlink > 0) return {};
    if (!inode.is_directory()) {
        LOCKSTEP_TRY(set_size(op, inode, 0));
    }
    if (inode.is_shrinking()) return {};
    return op.free_inode(inode);
}

}  // namespace lockstep::server::fs
