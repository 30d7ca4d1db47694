// Frames: how the host and a guest talk over the guest's serial line, and how `uml_guest` talks to the process that
// runs a guest.
//
//     0        4      5        9
//     +--------+------+--------+----------------+
//     | channel| kind | length | body (length B)|     integers in the machine's own byte order: one machine
//     +--------+------+--------+----------------+
//
// A channel is one command. The line is a byte stream without loss, so there is no checksum; a frame that can't be
// right means that one side is broken, and the parser says so for ever after.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::uml {

// The numbers are part of the protocol between an agent and a host that may have been built at different times: never
// reuse one.
enum class FrameKind : std::uint8_t {
    // Host to guest, and `uml_guest` to the running guest.
    run = 1,        // start a command; body: its arguments, each ended by NUL
    abandon = 2,    // kill the channel's command and everything in its session; body empty
    shut_down = 3,  // sync, unmount, power off; body empty

    // Guest to host, and passed on to `uml_guest`.
    ready = 16,         // the agent listens; body empty, channel 0
    output = 17,        // bytes of the command's standard output
    error_output = 18,  // bytes of its standard error
    exited = 19,        // it is over; body: its status as a shell tells it, in decimal (128 + N: killed by signal N)

    // Between `uml_guest` and the running guest only.
    kill = 32,     // power loss; answered by `done`
    reboot = 33,   // power loss if it is on, then boot; answered by `done` once it is ready
    done = 34,     // the request succeeded; body: a line for people, or empty
    refused = 35,  // it did not, or the guest went away before it was over; body: why
};

struct Frame {
    std::uint32_t channel = 0;
    FrameKind kind = FrameKind::run;
    std::string body;

    bool operator==(const Frame&) const = default;
};

// The longest body a parser accepts, in bytes.
inline constexpr std::size_t frame_body_limit = 1 << 20;

// The bytes of `frame`, whose body must not exceed frame_body_limit.
std::string encode(const Frame& frame);

// Cuts a byte stream into frames. One thread.
class FrameParser {
 public:
    void feed(std::string_view bytes) { pending_.append(bytes); }

    // The next whole frame, or nothing: more bytes are needed, or the stream is broken().
    std::optional<Frame> next();

    // The stream held a body longer than the limit; nothing after it can be understood.
    bool broken() const { return broken_; }

 private:
    std::string pending_;
    std::size_t consumed_ = 0;  // bytes of pending_ that next() has already returned
    bool broken_ = false;
};

// The body of a `run` frame, and back. Arguments can't hold NUL, as execve's can't.
std::string join_arguments(const std::vector<std::string>& arguments);
std::vector<std::string> split_arguments(std::string_view body);

}  // namespace lockstep::uml
