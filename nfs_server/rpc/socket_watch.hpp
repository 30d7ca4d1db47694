// Whether the threads that wait for all sockets are told of one. Rpc layer.
#pragma once

#include <sys/epoll.h>

#include <cerrno>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <utility>

namespace lockstep::server::rpc {

// One socket in an epoll set, edge-triggered: input, its end, and room for output are told once. Any thread. The set
// outlives it; the socket leaves the set when it is closed.
class SocketWatch {
 public:
    SocketWatch(int epoll, int socket, uint64_t token) : epoll_(epoll), socket_(socket), token_(token) {}

    // Error of the system: std::system_error.
    void begin() {
        if (!control(EPOLL_CTL_ADD, all_events)) throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }

    // From now on nobody is told, but of a broken connection: a thread looks at the socket itself. False: one does so
    // already.
    bool suspend() {
        const std::lock_guard hold(mutex_);
        if (is_suspended_ || !control(EPOLL_CTL_MOD, 0)) return false;
        is_suspended_ = true;
        return true;
    }
    // The threads are told again, of what has come meanwhile, too. Without effect while nothing is suspended.
    void resume() {
        const std::lock_guard hold(mutex_);
        if (std::exchange(is_suspended_, false)) control(EPOLL_CTL_MOD, all_events);
    }
    // Whoever looked has left input unread: the threads are told of it again, after what they were told of before.
    void tell_again() {
        const std::lock_guard hold(mutex_);
        if (!is_suspended_) control(EPOLL_CTL_MOD, all_events);
    }

 private:
    static constexpr uint32_t all_events = EPOLLIN | EPOLLOUT | EPOLLRDHUP;

    bool control(int operation, uint32_t events) {
        epoll_event event{};
        event.events = events | EPOLLET;
        event.data.u64 = token_;
        return epoll_ctl(epoll_, operation, socket_, &event) == 0;
    }

    const int epoll_;
    const int socket_;
    const uint64_t token_;
    std::mutex mutex_;  // over what the set is told, and the word for it
    bool is_suspended_ = false;
};

}  // namespace lockstep::server::rpc
