// Calls of this server to services of its clients: their lock managers and status monitors. Rpc layer.
//
// From one thread: where the service listens is asked of the client's portmapper first, over UDP; the call goes over
// UDP, or over TCP where the service is registered for that only. Each question is sent again, at growing intervals,
// until it is answered or the time is over. Three datagrams that nobody answers may have met a wall: the call goes over
// TCP, if the service is there, and over UDP again when that leads nowhere. A client that does not answer delays nobody
// else.
//
//     looking up ──port──► calling ──reply──► done
//        │  ▲ no connection, ──┘│ no answer in all the time
//        │    no answer         │
//        └──── unreachable      └──── unanswered
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "nfs_server/rpc/file_descriptor.hpp"
#include "nfs_server/rpc/outgoing_message.hpp"
#include "nfs_server/rpc/outgoing_stream.hpp"
#include "nfs_server/rpc/peer_address.hpp"

namespace lockstep::server::rpc {

struct OutgoingResult {
    enum class Kind {
        answered,     // `results` are those of a successful call
        refused,      // the service answered with an RPC-level error: nothing was done
        unreachable,  // nothing of the call was ever sent
        unanswered,   // it was sent, and may have been done
        needless,     // cancel() ended it; it was sent, or the portmapper was asked, at least once
    };
    Kind kind;
    std::vector<std::byte> results;  // XDR
};

struct OutgoingCall {
    PeerAddress host;  // its port does not matter
    uint32_t program;
    uint32_t version;
    uint32_t procedure;
    std::vector<std::byte> args;  // XDR
    int64_t give_up_after_ms;
    // For cancel(); 0: it can't be cancelled.
    uint64_t key = 0;
    // false: there is no reply to wait for; it is sent once and then `answered`.
    bool has_reply = true;
    // Called from the thread of Outgoing, and must not block it. Sent: with the number of the attempt,
    // from 1; 0: the portmapper was asked.
    std::function<void(uint32_t attempt)> sent = {};
    std::function<void(const OutgoingResult&)> done = {};
};

class Outgoing {
 public:
    // portmapper_port: 111, or a test's. Errors of the system: std::system_error.
    explicit Outgoing(uint16_t portmapper_port = 111);
    // Ends the thread. Calls that are not done are forgotten: their `done` is not called.
    ~Outgoing();
    Outgoing(const Outgoing&) = delete;
    Outgoing& operator=(const Outgoing&) = delete;

    // Any thread; does not wait. False: too many calls are under way, this one is not made.
    bool start(OutgoingCall call);

    // Ends the call of this key, if it is under way; its `done` is told so. Any thread, also one that `done` waits for;
    // does not wait.
    void cancel(uint64_t key);

    // How many calls are under way. Any thread.
    size_t calls_count() {
        const std::lock_guard hold(mutex_);
        return calls_count_;
    }

 private:
    static constexpr size_t max_calls = 65536;
    struct Pending {
        OutgoingCall call;
        PeerAddress to;  // where the question that is out was sent
        bool is_looking_up = true;
        Transport transport = Transport::udp;    // of the service
        std::unique_ptr<OutgoingStream> stream;  // while a connection is under way
        int64_t stream_since_ns = 0;
        uint32_t attempts = 0;          // of the call itself
        uint32_t datagrams = 0;         // of the call, since its port was found
        std::vector<uint32_t> earlier;  // numbers under which the call was sent before this one
        int64_t interval_ms = 0;        // until the next sending
        int64_t next_send_ns = 0;
        int64_t give_up_ns = 0;
        int64_t due_ns = 0;  // its place in due_
    };

    void work();
    void take_new();
    void begin(OutgoingCall call, int64_t now_ns);
    void take_cancelled();
    void send_due(int64_t now_ns);
    void send_one(uint32_t xid, int64_t now_ns);
    int wait_ms(int64_t now_ns) const;
    void plan(uint32_t xid, Pending& pending);
    void send(uint32_t xid, Pending& pending);
    void open_stream(uint32_t xid, Pending& pending);
    void advance(uint32_t xid);
    void look_up_again(uint32_t xid, Pending& pending);
    uint32_t look_up_other(uint32_t xid);
    uint32_t renumber(uint32_t xid);
    void receive(int socket);
    void answered(uint32_t xid, uint32_t status, std::vector<std::byte> results);
    void replied(uint32_t xid, uint32_t status, std::vector<std::byte> results);
    void found_port(uint32_t xid, uint16_t port);
    void finish(uint32_t xid, OutgoingResult::Kind kind, std::vector<std::byte> results = {});
    int socket_for(const PeerAddress& host) const;

    const uint16_t portmapper_port_;
    FileDescriptor wake_;
    FileDescriptor ipv4_;
    FileDescriptor ipv6_;
    std::mutex mutex_;
    std::deque<OutgoingCall> new_calls_;
    std::vector<uint64_t> cancelled_;  // keys
    size_t calls_count_ = 0;           // with mutex_
    bool is_stopping_ = false;
    // Of the thread:
    std::map<uint32_t, Pending> pending_;             // by xid
    std::set<std::pair<int64_t, uint32_t>> due_;      // when something is to be done for which: each pending call once
    std::unordered_map<uint64_t, uint32_t> by_key_;   // their xids
    std::unordered_map<uint32_t, uint32_t> earlier_;  // numbers under which a call was sent, and its present one
    std::set<uint32_t> streams_;                      // the calls that have a connection
    uint32_t last_xid_;
    std::thread thread_;
};

}  // namespace lockstep::server::rpc
