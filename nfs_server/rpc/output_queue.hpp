// The writing side of one stream: replies leave whole, in the order in which they were handed over, and never block.
// Rpc layer.
//
// Whoever hands a reply over writes as much of the queue as the socket takes; if somebody is writing already, that
// thread takes the new reply along, many with one system call. What the socket does not take stays queued until it is
// writable again.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>

#include "nfs_server/rpc/call.hpp"
#include "nfs_server/rpc/memory_budget.hpp"
#include "nfs_server/rpc/spare_call.hpp"

namespace lockstep::server::rpc {

class OutputQueue {
 public:
    enum class State {
        empty,   // all that was handed over has left
        queued,  // the rest waits for the client
        broken,  // the connection is gone, or the budget of all connections is exhausted
    };

    // Calls whose reply has left go to `done`, which must outlive the queue.
    OutputQueue(int socket, MemoryBudget& budget, SpareCall& done) : socket_(socket), done_(done), share_(budget) {}

    // Queues the encoded reply in call->pieces, behind its record mark, and writes what can be written. Any thread.
    State send(std::unique_ptr<Call> call, uint32_t size_bytes);
    // The socket may take more. Any thread.
    State writable();

    // Replies that wait for the client. Any thread.
    size_t queued_bytes() const { return queued_bytes_.load(std::memory_order_seq_cst); }
    // Bytes that the client has taken so far: whether it grows tells a slow client from one that is gone. Any thread.
    uint64_t written_bytes() const { return written_bytes_.load(std::memory_order_relaxed); }

 private:
    struct Reply {
        std::unique_ptr<Call> call;
        uint32_t mark;      // in network order, first of the pieces on the wire
        size_t left_bytes;  // of mark and pieces
        size_t sent_bytes = 0;
    };

    State write(std::unique_lock<std::mutex>& hold);
    size_t gather(std::span<iovec> pieces);
    void drop_sent(size_t size_bytes);

    const int socket_;
    SpareCall& done_;
    std::mutex mutex_;
    std::deque<Reply> replies_;    // the front one may be partly written
    bool writing_ = false;         // a thread is in sendmsg, without the mutex
    bool writable_again_ = false;  // … and the socket became writable meanwhile
    bool broken_ = false;
    MemoryShare share_;
    std::atomic<size_t> queued_bytes_{0};
    std::atomic<uint64_t> written_bytes_{0};
};

}  // namespace lockstep::server::rpc
