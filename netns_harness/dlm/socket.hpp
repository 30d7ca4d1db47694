// The little of TCP that masters and owners need.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>

namespace lockstep::dlm {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class SocketError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Owns a file descriptor.
class Fd {
 public:
    explicit Fd(int fd = -1) : fd_(fd) {}
    ~Fd();
    Fd(Fd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    Fd& operator=(Fd&& other) noexcept;
    int get() const { return fd_; }

 private:
    int fd_;
};

// A node's address: IPv4 or IPv6, without brackets.
struct Address {
    std::string host;
    int port = 0;
};

// "10.0.0.1:4711", "[fd00::1]:4711". Throws SocketError.
Address parse_address(const std::string& text);

// Listens there; port 0: any. Not blocking. Throws SocketError.
Fd listen_at(const Address& address);

// The port that a listening socket has.
int port_of(const Fd& listening);

// Connects, trying again while nobody listens there, until `deadline`. Not blocking, without Nagle's delay. Throws
// SocketError.
Fd connect_to(const Address& address, Clock::time_point deadline);

// Sets what every connection needs. Throws SocketError.
void prepare_connection(const Fd& connection);

}  // namespace lockstep::dlm
