// Threads that stay with a few connections each, whose clients send one request after another, each as soon as it has
// the reply to the last. Rpc layer.
//
//     crew, at the sockets of all ── the connection is brisk ──► attended: a thread looks at its sockets in turn,
//              ▲                                                   │      runs, answers
//              └───────────────────────────────────────────────────┘ the client pauses, or sends several at once;
//                                                                    others wait for a thread; a request waits
//
// Such a client is served with two system calls a request, always by the same thread, which the system brings to the
// client's processor, and often without either of the two being woken from sleep. Who attends has no place at work
// (crew.hpp): the crew looks at all other sockets as if it were not there. When a request waits, or a lookout finds it
// running for long, all connections of its thread go back to the crew, so that nobody's next request waits for its end.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "nfs_server/base/waiting.hpp"
#include "nfs_server/rpc/connection.hpp"

namespace lockstep::server::rpc {

class Attendants {
    struct Slot;

 public:
    using Connections = std::vector<std::shared_ptr<Connection>>;

    // threads: that may attend at a time; each: connections that one of them may have.
    Attendants(uint32_t threads, uint32_t each) : slots_(threads), each_(each) {}

    // A thread with its connections, from the construction to the destruction, both in that thread. Locks: the slot's
    // mutex comes before those of the connections' watches.
    class Stay final : public WaitObserver {
     public:
        // The connection is attended from now on: by this thread, or by one that does so already, and then this stay
        // has not begun. Neither when as many connections as may be are attended.
        Stay(Attendants& attendants, const std::shared_ptr<Connection>& connection);
        // Gives the connections back to the crew.
        ~Stay();
        Stay(const Stay&) = delete;
        Stay& operator=(const Stay&) = delete;

        bool has_begun() const { return slot_ != nullptr; }
        // Those that are attended now, newcomers among them; none: the stay has ended. Until the next call.
        const Connections& connections();
        // Since the last call of connections().
        bool has_changed() const { return slot_->changes.load(std::memory_order_relaxed) != seen_; }
        // Around each request.
        void begin_turn() { slot_->step(); }
        void end_turn() { slot_->step(); }
        // The connection goes back to the crew.
        void give_back(const std::shared_ptr<Connection>& connection);
        // Around a sleep, during which nobody comes. False: somebody has come before.
        bool begin_sleep();
        void end_sleep();
        // All connections go back.
        void about_to_wait() override;

        Connection::Calls calls;  // for its thread to use again and again; empty between

     private:
        Attendants& attendants_;
        Slot* slot_ = nullptr;
        Connections connections_;  // as of `seen_`
        uint64_t seen_ = 0;
    };

    // Gives the connections back of whose threads each runs one request since the last look. False: nobody attends. One
    // thread.
    bool look();

    // Connections that may be attended.
    uint32_t most() const { return static_cast<uint32_t>(slots_.size()) * each_; }
    // Those that are. A moment's view.
    uint32_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
    struct alignas(64) Slot {
        std::mutex mutex;  // for changes of all but the turn
        Connections connections;
        uint64_t turn_seen = 0;
        std::atomic<uint32_t> size{0};     // of connections
        std::atomic<uint64_t> changes{1};  // of connections
        std::atomic<bool> has_thread{false};
        std::atomic<bool> is_asleep{false};
        std::atomic<uint64_t> turn{0};  // odd: a request runs

        // Only its own thread writes it.
        void step() { turn.store(turn.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
        // Its thread, if any, will see a newcomer soon: it does not sleep, nor is it held up by a request.
        bool is_open() const { return !has_thread || (!is_asleep && size != 0); }
    };

    Slot* open_slot_with_fewest();
    bool admit(Slot& slot, const std::shared_ptr<Connection>& newcomer);
    void give_back_all(Slot& slot);
    void changed(Slot& slot);

    std::vector<Slot> slots_;
    const uint32_t each_;
    std::atomic<uint32_t> count_{0};
};

}  // namespace lockstep::server::rpc
