// What every file of the harness needs of the operating system: owned file descriptors, and errors that say what was
// tried. The harness reports failures by exceptions: it is a program that starts, works and ends, not a server.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace lockstep::harness {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// The run could not be done, or not any further; what() is one line for the person who started it.
class Error : public std::runtime_error {
 public:
    using std::runtime_error::runtime_error;
};

// Throws Error "WHAT: <text of errno>"; takes errno as it is when called.
[[noreturn]] void throw_errno(std::string_view what);

// Returns `result`, or throws Error of errno when it is -1.
int require(int result, std::string_view what);

// A file descriptor that is closed when its owner goes; -1 owns nothing.
class Fd {
 public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) reset(std::exchange(other.fd_, -1));
        return *this;
    }
    ~Fd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    void reset(int fd = -1);

 private:
    int fd_ = -1;
};

struct Pipe {
    Fd read;
    Fd write;
};

// A pipe whose ends are closed on exec.
Pipe make_pipe();

// Milliseconds from now to `deadline`, at least 0: what poll() wants.
int poll_timeout_ms(Clock::time_point deadline);

// The whole of a file; throws Error.
std::string read_file(const std::string& path);

// Makes or replaces a file; throws Error.
void write_file(const std::string& path, std::string_view content);

}  // namespace lockstep::harness
