// Requests that were read together with others and wait for a free thread. Rpc layer.
#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "nfs_server/rpc/connection.hpp"
#include "nfs_server/rpc/file_descriptor.hpp"

namespace lockstep::server::rpc {

// First in, first out. Threads that wait for sockets are woken through wake_descriptor(), which they wait for as well:
// edge-triggered, one thread a write; each thread that takes a call wakes the next one while calls are left. Any
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
            for (auto& call : calls) tasks_.push_back({connection, std::move(call)});
            size_ = tasks_.size();
        }
        calls.clear();
        wake_one();
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
        const std::lock_guard hold(mutex_);
        dropped.swap(tasks_);
        size_ = 0;
    }

 private:
    void wake_one() {
        if (idle_threads_ != 0) eventfd_write(wake_.get(), 1);
    }

    FileDescriptor wake_;
    std::mutex mutex_;
    std::deque<Task> tasks_;
    std::atomic<size_t> size_{0};
    std::atomic<uint32_t> idle_threads_{0};
};

}  // namespace lockstep::server::rpc
