#include "nfs_server/rpc/outgoing_stream.hpp"

#include <poll.h>
#include <rpc/rpc.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace lockstep::server::rpc {
namespace {

bool is_for_later(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

OutgoingStream::OutgoingStream(const PeerAddress& to, const Bytes& message)
    : socket_(::socket(to.is_ipv6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
      unsent_(marked(message)) {
    if (!socket_) return;
    // A port below 1024, where we may have one: some clients believe only those.
    if (!to.is_ipv6()) static_cast<void>(bindresvport(socket_.get(), nullptr));
    if (connect(socket_.get(), to.get(), to.size_bytes()) != 0 && errno != EINPROGRESS) socket_.reset();
}

short OutgoingStream::events() const {
    return state_ == State::reading ? POLLIN : POLLOUT;
}

OutgoingStream::Step OutgoingStream::advance() {
    if (!socket_) return Step::failed;
    if (state_ == State::reading) return read();
    if (state_ == State::connecting) {
        int error = 0;
        socklen_t size = sizeof error;
        if (getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return Step::failed;
        state_ = State::writing;
    }
    return write();
}

OutgoingStream::Step OutgoingStream::write() {
    const ssize_t sent = send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent < 0) return is_for_later(errno) ? Step::waits : Step::failed;
    unsent_.erase(unsent_.begin(), unsent_.begin() + sent);
    if (!unsent_.empty()) return Step::waits;
    state_ = State::reading;
    return Step::written;
}

OutgoingStream::Step OutgoingStream::read() {
    std::array<std::byte, 1024> buffer;
    const ssize_t got = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && is_for_later(errno)) return Step::waits;
    if (got <= 0) return Step::failed;
    received_.insert(received_.end(), buffer.begin(), buffer.begin() + got);
    auto taken = take_record(received_);
    if (taken.kind == TakenRecord::Kind::incomplete) return Step::waits;
    if (taken.kind == TakenRecord::Kind::too_long) return Step::failed;
    reply_ = std::move(taken.record);
    return Step::replied;
}

}  // namespace lockstep::server::rpc
