// Threads that stay with a connection whose client sends one request after another, each as soon as it has the reply to
// the last. Rpc layer.
//
//     crew, at the sockets of all ── the connection is brisk ──► attends: waits at this one socket, runs, answers
//              ▲                                                     │ the client pauses, or sends several at once;
//              └─────────────────────────────────────────────────────┘ others wait for a thread; the request waits
//
// Such a client is served by one thread on one processor, with two system calls a request, and often without either of
// the two being woken from sleep. Who attends has no place at work (crew.hpp): the crew looks at all other sockets as
// if it were not there. A request that waits, or that a lookout finds running for long, gives its connection back to
// the crew, so that the client's next request need not wait for its end.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "nfs_server/base/waiting.hpp"
#include "nfs_server/rpc/connection.hpp"

namespace lockstep::server::rpc {

// At most so many threads at a time. Any thread.
class Attendants {
    struct Slot;

 public:
    explicit Attendants(uint32_t most) : slots_(most) {}

    // A thread with one connection, from the construction to the destruction, both in that thread.
    class Stay final : public WaitObserver {
     public:
        // Has not begun where as many threads as may are staying with connections already.
        Stay(Attendants& attendants, const std::shared_ptr<Connection>& connection);
        ~Stay();
        Stay(const Stay&) = delete;
        Stay& operator=(const Stay&) = delete;

        bool has_begun() const { return slot_ != nullptr; }
        // The connection was not given back meanwhile.
        bool goes_on() const { return connection_.watch().is_suspended(); }
        // Around each request.
        void begin_turn() { slot_->begin_turn(); }
        void end_turn() { slot_->end_turn(); }
        void about_to_wait() override { connection_.watch().resume(); }

     private:
        Attendants& attendants_;
        Connection& connection_;
        Slot* slot_ = nullptr;
    };

    // Gives connections back whose request runs since the last look. False: nobody attends. One thread.
    bool look();

    uint32_t most() const { return static_cast<uint32_t>(slots_.size()); }
    // Threads that stay with a connection. A moment's view.
    uint32_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
    struct alignas(64) Slot {
        std::mutex mutex;  // over the next two
        std::shared_ptr<Connection> connection;
        uint64_t turn_seen = 0;
        std::atomic<uint64_t> turn{0};  // odd: a request runs

        bool take(const std::shared_ptr<Connection>& newcomer);
        void give_back();
        void begin_turn() { step(); }
        void end_turn() { step(); }
        // Only its own thread writes it.
        void step() { turn.store(turn.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
    };

    std::vector<Slot> slots_;
    std::atomic<uint32_t> count_{0};
};

}  // namespace lockstep::server::rpc
