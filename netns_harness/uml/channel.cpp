#include "netns_harness/uml/channel.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

namespace lockstep::uml {
namespace {

using harness::Clock;
using harness::Error;
using harness::Fd;
using harness::require;

constexpr std::size_t unsent_limit = 64 << 20;
constexpr std::size_t piece_bytes = 64 << 10;
constexpr std::chrono::milliseconds connect_interval{5};
constexpr std::chrono::seconds connect_limit{10};

// A socket's address holds 107 characters and a state directory's path may be longer: name it through an open
// descriptor.
sockaddr_un address_in(const Fd& directory) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = "/proc/self/fd/" + std::to_string(directory.get()) + "/socket";
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

Fd open_directory(const std::filesystem::path& path) {
    return Fd(require(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "cannot open " + path.native()));
}

Fd make_socket() {
    return Fd(require(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "cannot make a socket"));
}

bool would_block(int error) {
    return error == EAGAIN || error == EINTR;
}

}  // namespace

Connection::Connection(Fd socket) : socket_(std::move(socket)) {
    require(fcntl(socket_.get(), F_SETFL, O_NONBLOCK), "cannot make a socket non-blocking");
}

void Connection::send(const Frame& frame) {
    unsent_ += encode(frame);
    if (unsent_.size() > unsent_limit) over_ = true;
}

void Connection::flush() {
    while (!unsent_.empty() && !over_) {
        const ssize_t n = ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
        if (n == -1 && would_block(errno)) return;
        if (n == -1) over_ = true;
        if (n > 0) unsent_.erase(0, static_cast<std::size_t>(n));
    }
}

void Connection::receive() {
    char bytes[piece_bytes];
    const ssize_t n = read(socket_.get(), bytes, sizeof bytes);
    if (n == -1 && would_block(errno)) return;
    if (n <= 0) {
        over_ = true;
        return;
    }
    parser_.feed({bytes, static_cast<std::size_t>(n)});
}

Fd listen_in(const std::filesystem::path& state) {
    const Fd directory = open_directory(state);
    unlinkat(directory.get(), "socket", 0);
    Fd listener = make_socket();
    const sockaddr_un address = address_in(directory);
    const mode_t mask = umask(0177);
    const int bound = bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    umask(mask);
    require(bound, "cannot make a socket in " + state.native());
    require(listen(listener.get(), SOMAXCONN), "cannot listen in " + state.native());
    return listener;
}

Fd connect_to(const std::filesystem::path& state, Clock::time_point deadline) {
    deadline = std::min(deadline, Clock::now() + connect_limit);
    while (true) {
        try {
            const Fd directory = open_directory(state);
            Fd connection = make_socket();
            const sockaddr_un address = address_in(directory);
            require(connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
                    "no guest answers in " + state.native());
            return connection;
        } catch (const Error&) {
            // It may just be starting; its directory may not be there yet, so there is nothing to wait on.
            if (Clock::now() >= deadline) throw;
            std::this_thread::sleep_for(connect_interval);
        }
    }
}

}  // namespace lockstep::uml
