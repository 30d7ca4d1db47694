// One TCP connection: requests in, replies out, bounded in both directions. Rpc layer.
//
// Any thread of the server may be told that the socket is ready. One at a time reads (the others leave it word to look
// again); requests run on whatever thread is free, and their replies leave in the order in which they are done.
//
//     socket ─► RecordReader ─► Call ─► Dispatcher ─► OutputQueue ─► socket
//                  both stop while the client takes no replies; reading also while much is in flight
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "nfs_server/base/clock.hpp"
#include "nfs_server/rpc/briskness.hpp"
#include "nfs_server/rpc/call.hpp"
#include "nfs_server/rpc/dispatcher.hpp"
#include "nfs_server/rpc/limits.hpp"
#include "nfs_server/rpc/output_queue.hpp"
#include "nfs_server/rpc/peer_address.hpp"
#include "nfs_server/rpc/record_reader.hpp"
#include "nfs_server/rpc/socket_watch.hpp"
#include "nfs_server/rpc/spare_call.hpp"

namespace lockstep::server::rpc {

// What all connections share. Outlives them.
struct ConnectionEnvironment {
    const Limits& limits;
    const Clock& clock;
    MemoryBudget& budget;
    int epoll;                                // the set that tells of input and of room for output
    const std::atomic<uint64_t>& work_found;  // how often the crew has found some
};

class Connection {
 public:
    // Takes the socket over. Fires rpc:connection_opened; the destructor rpc:connection_closed.
    Connection(int socket, uint64_t id, const PeerAddress& peer, const Dispatcher& dispatcher,
               const ConnectionEnvironment& environment);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    using Calls = std::vector<std::unique_ptr<Call>>;

    // The socket may hold input; hang_up: the client has ended its side, or the connection broke. Appends requests that
    // have come whole; run() takes each of them exactly once. Reads Limits::turn_bytes; what more there is the threads
    // that wait for all sockets are told of again, after what they were told of before. Any thread.
    void readable(bool hang_up, Calls& calls);
    // What a look at the socket found.
    enum class Look {
        requests,   // or the end of the connection
        nothing,    // so far
        elsewhere,  // nothing: there is something else to wait for, of which the sockets' events tell
    };
    // Reads as readable() does; waits: for a moment, when there is no input. Of a thread that has begun a stay.
    Look look_for_requests(bool waits, Calls& calls);
    // The socket may take output. Appends as readable() does. Any thread.
    void writable(Calls& calls);
    // Runs a request and sends its reply. Appends as readable() does: its end may let the connection be read on. Any
    // thread.
    void run(std::unique_ptr<Call> call, Calls& calls);

    // Takes no further request; what is under way is answered, then the connection closes. Any thread.
    void drain();
    // Ends the connection at once; what is under way runs to its end and is not answered. Any thread.
    void close();
    // No event of the socket matters any more; whoever holds the connection in a table lets go of it.
    bool is_closed() const { return closed_; }

    const Briskness& briskness() const { return briskness_; }
    // A thread stays with it from now on: those that wait for all sockets are not told of this one. False: one does
    // already, or the connection broke.
    bool begin_stay() {
        if (!watch_.suspend()) return false;
        briskness_.change_hands();
        return true;
    }
    // The crew serves it again.
    void end_stay() {
        briskness_.forget();
        watch_.resume();
    }
    // The threads that wait for all sockets are told of this one from now on. Once, first of all. Error of the system:
    // std::system_error.
    void begin_to_be_watched() { watch_.begin(); }

    // Why the connection should be closed now, nullptr if it need not. One thread at a time.
    const char* expired(int64_t now_ns);
    // How long there has been nothing under way; -1: there is something.
    int64_t idle_ns(int64_t now_ns) const;

    uint64_t id() const { return id_; }
    const PeerAddress& peer() const { return peer_; }
    int socket() const { return socket_; }

 private:
    // What one receiving call found.
    enum class Read {
        more,     // as much as it could take, or it was interrupted: ask again
        emptied,  // something, and nothing is left
        nothing,  // so far
        ended,    // the end of the input
    };
    void read_turn(Calls& calls);
    void finish_read_turn(Calls& calls);
    bool read_until_empty(Calls& calls);
    Read read_some(int flags, Calls& calls);
    bool may_read();
    void ask_for_rest();
    void received(size_t size_bytes, Calls& calls);
    std::unique_ptr<Call> make_call(Record&& record);
    bool client_is_slow() const;
    void park(std::unique_ptr<Call> call, Calls& calls);
    void unpark(Calls& calls);
    void after(OutputQueue::State state, Calls& calls);
    void close_if_done();
    void close_because(const char* reason);

    const int socket_;
    const uint64_t id_;
    const PeerAddress peer_;
    const Dispatcher& dispatcher_;
    const ConnectionEnvironment environment_;

    SocketWatch watch_;
    Briskness briskness_;                  // told by the thread whose turn it is to read
    std::atomic<uint32_t> read_turns_{0};  // asked for and not yet finished; who raises it from 0 reads
    std::atomic<bool> hang_up_{false};
    std::atomic<bool> paused_{false};  // unread input waits for a request or reply to go
    std::atomic<bool> input_ended_{false};
    std::atomic<bool> closed_{false};
    RecordReader reader_;          // of the thread whose turn it is to read
    size_t turn_bytes_left_ = 0;   // likewise
    std::vector<Record> records_;  // likewise

    std::atomic<uint32_t> in_flight_{0};  // read and not yet answered, parked ones included
    SpareCall spare_call_;
    OutputQueue output_;

    std::mutex parked_mutex_;
    std::deque<std::unique_ptr<Call>>
        parked_;  // small requests can have large replies: not while earlier ones are not taken
    std::atomic<size_t> parked_count_{0};

    std::atomic<int64_t> last_activity_ns_;
    std::atomic<int64_t> record_began_ns_{0};  // 0: no record is incomplete
    uint64_t written_bytes_seen_ = 0;          // of expired()
    int64_t written_change_ns_;
};

}  // namespace lockstep::server::rpc
