// The local socket between `uml_guest boot`, which owns a guest, and the other commands: one request a connection, in
// frames.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "netns_harness/system.hpp"
#include "netns_harness/uml/frame.hpp"

namespace lockstep::uml {

// Frames over a connected stream socket, without blocking. One thread.
class Connection {
 public:
    explicit Connection(harness::Fd socket);

    int fd() const { return socket_.get(); }

    // Queues; flush() writes what the socket takes now. More than 64 MiB unwritten breaks the connection.
    void send(const Frame& frame);
    void flush();
    bool has_unsent() const { return !unsent_.empty(); }

    // Takes in what has arrived.
    void receive();
    std::optional<Frame> next() { return parser_.next(); }

    // The other side has gone, or talks nonsense, or does not read: nothing more will come or go.
    bool is_over() const { return over_; }

 private:
    harness::Fd socket_;
    FrameParser parser_;
    std::string unsent_;
    bool over_ = false;
};

// STATE/socket, for its owner only. Replaces one that a killed process left; the caller holds the directory's lock.
// Throws harness::Error.
harness::Fd listen_in(const std::filesystem::path& state);

// Connects to the guest of that directory; waits until `deadline`, and 10 s at most, for it to be there. Throws
// harness::Error.
harness::Fd connect_to(const std::filesystem::path& state, harness::Clock::time_point deadline);

}  // namespace lockstep::uml
