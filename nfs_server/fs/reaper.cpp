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

void Reaper::add(std::uint64_t inode) {
    std::lock_guard hold(mutex_);
    if (!queued_.insert(inode).second) return;
    queue_.push_back(inode);
    wake_.notify_one();
}

std::optional<std::uint64_t> Reaper::next() {
    std::lock_guard hold(mutex_);
    if (queue_.empty()) return std::nullopt;
    const std::uint64_t inode = queue_.front();
    queue_.pop_front();
    queued_.erase(inode);
    return inode;
}

Outcome<void> Reaper::finish(std::uint64_t inode) {
    for (;;) {
        LOCKSTEP_TRY(const bool done, step_(inode));
        if (done) return {};
    }
}

Outcome<bool> Reaper::drain() {
    bool worked = false;
    while (const auto inode = next()) {
        worked = true;
        LOCKSTEP_TRY(finish(*inode));
    }
    return worked;
}

// After an error the inode goes back to the end of the queue and the thread waits for a while: the log may get room.
void Reaper::work(const std::stop_token& stop) {
    using namespace std::chrono_literals;
    while (!stop.stop_requested()) {
        const auto inode = next();
        if (!inode) {
            std::unique_lock hold(mutex_);
            wake_.wait(hold, stop, [this] { return !queue_.empty(); });
            continue;
        }
        const Outcome<bool> done = step_(*inode);
        if (done && *done) continue;
        add(*inode);
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
    if (done && (*inode)->nlink == 0) op.free_inode(*inode);
    return done;
}

Outcome<void> drop_link(Operation& op, Inode& inode) {
    inode.change().ctime_ns = op.now_ns();
    inode.change().nlink = inode.is_directory() ? 0 : inode->nlink - 1;
    if (inode->nlink > 0) return {};
    if (!inode.is_directory()) {
        LOCKSTEP_TRY(set_size(op, inode, 0));
    }
    if (!inode.is_shrinking()) op.free_inode(inode);
    return {};
}

}  // namespace lockstep::server::fs
