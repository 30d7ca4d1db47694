// Requests that were read together with others and wait for a free thread. Rpc layer.
#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "nfs_server/rpc/connection.hpp"
#include "nfs_server/rpc/file_descriptor.hpp"

namespace lockstep::server::rpc {

// First in, first out; of a lane's calls (payload.hpp) only one is run at a time, the others wait for it here and not
// for a lock that it holds. Threads that wait for sockets are woken through wake_descriptor(), which they wait for as
// well: edge-triggered, one thread a write; each thread that takes a call wakes the next one while calls are left. Any
// thread. Bounded by the connections' limits: a call counts as in flight from the moment it is read.
class CallQueue {
 public:
    struct Task {
        std::shared_ptr<Connection> connection;
        std::unique_ptr<Call> call;
    };

    CallQueue() : wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

    // Takes all of the calls, leaving the vector empty.
    void push(const std::shared_ptr<Connection>& connection, Connection::Calls& calls) {
        if (calls.empty()) return;
        {
            const std::lock_guard hold(mutex_);
            for (auto& call : calls) add({connection, std::move(call)});
            size_ = tasks_.size();
        }
        calls.clear();
        if (size_ != 0) wake_one();
    }

    // A call of this lane is about to run that was not taken from here. False: another one runs, this one shall be
    // pushed. True is followed by leave_lane().
    bool enter_lane(uint64_t lane) {
        if (lane == 0) return true;
        const std::lock_guard hold(mutex_);
        return lanes_.try_emplace(lane).second;
    }
    // The lane's call has run: gives the next, which the caller shall run. Nothing when there is none, and the lane is
    // left; or when the caller does not want it.
    std::optional<Task> leave_lane(uint64_t lane, bool wants_next) {
        std::optional<Task> next;
        if (lane == 0) return next;
        {
            const std::lock_guard hold(mutex_);
            const auto place = lanes_.find(lane);
            if (place == lanes_.end()) return next;  // cleared
            auto& waiting = place->second;
            if (waiting.empty()) {
                lanes_.erase(place);
                return next;
            }
            next = std::move(waiting.front());
            waiting.erase(waiting.begin());
            if (wants_next) return next;
            tasks_.push_back(std::move(*next));
            next.reset();
            size_ = tasks_.size();
        }
        wake_one();
        return next;
    }

    std::optional<Task> pop() {
        if (size_ == 0) return std::nullopt;
        std::optional<Task> task;
        {
            const std::lock_guard hold(mutex_);
            if (tasks_.empty()) return std::nullopt;
            task = std::move(tasks_.front());
            tasks_.pop_front();
            size_ = tasks_.size();
        }
        if (size_ != 0) wake_one();
        return task;
    }

    // A moment's view.
    bool is_empty() const { return size_ == 0; }

    // The thread is about to wait. False: there is a call, it shall not wait. Followed by leave_idle() if true.
    bool enter_idle() {
        ++idle_threads_;
        // Whoever pushes looks at idle_threads_ after size_ has grown: one of the two sees the other.
        if (size_ == 0) return true;
        --idle_threads_;
        return false;
    }
    void leave_idle() { --idle_threads_; }

    const std::atomic<uint32_t>& idle_threads() const { return idle_threads_; }

    int wake_descriptor() const { return wake_.get(); }

    void clear() {
        std::deque<Task> dropped;
        decltype(lanes_) dropped_lanes;
        const std::lock_guard hold(mutex_);
        dropped.swap(tasks_);
        dropped_lanes.swap(lanes_);
        size_ = 0;
    }

 private:
    // Under the mutex.
    void add(Task&& task) {
        if (const uint64_t lane = task.call->lane(); lane != 0) {
            const auto [place, is_first] = lanes_.try_emplace(lane);
            if (!is_first) return place->second.push_back(std::move(task));
        }
        tasks_.push_back(std::move(task));
    }
    void wake_one() {
        if (idle_threads_ != 0) eventfd_write(wake_.get(), 1);
    }

    FileDescriptor wake_;
    std::mutex mutex_;
    std::deque<Task> tasks_;
    // Of which a call runs or is in tasks_: what waits behind it.
    std::unordered_map<uint64_t, std::vector<Task>> lanes_;
    std::atomic<size_t> size_{0};
    std::atomic<uint32_t> idle_threads_{0};
};

}  // namespace lockstep::server::rpc
