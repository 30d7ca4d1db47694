// One call of the server's own over TCP, on a connection of its own: connects, writes the call, reads the reply,
// without ever waiting. Rpc layer.
#pragma once

#include <cstddef>

#include "nfs_server/rpc/file_descriptor.hpp"
#include "nfs_server/rpc/outgoing_message.hpp"
#include "nfs_server/rpc/peer_address.hpp"

namespace lockstep::server::rpc {

// One thread.
class OutgoingStream {
 public:
    enum class Step {
        waits,    // for what events() says
        written,  // the whole call is on its way
        replied,  // reply() is whole
        failed    // refused, reset, or no reply of ours
    };

    // Begins to connect. message: a call, without its record mark.
    OutgoingStream(const PeerAddress& to, const Bytes& message);

    // -1: there is none; advance() fails.
    int socket() const { return socket_.get(); }
    // For poll().
    short events() const;
    // Goes on as far as it can now.
    Step advance();
    Bytes& reply() { return reply_; }
    bool is_written() const { return state_ == State::reading; }

 private:
    enum class State { connecting, writing, reading };
    Step write();
    Step read();

    FileDescriptor socket_;
    State state_ = State::connecting;
    Bytes unsent_;
    Bytes received_;
    Bytes reply_;
};

}  // namespace lockstep::server::rpc
