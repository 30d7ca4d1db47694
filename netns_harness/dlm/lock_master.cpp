#include "netns_harness/dlm/lock_master.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace lockstep::dlm {
namespace {

constexpr std::size_t most_unsent_bytes = 1 << 16;  // an owner that reads nothing is dropped

}  // namespace

LockMaster::LockMaster(const Address& address, std::function<bool()> overlooks)
    : listening_(listen_at(address)),
      stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      service_([this](Owner owner, const Message& message) { send(owner, message); }, std::move(overlooks)) {
    if (stop_.get() < 0) throw SocketError("eventfd");
    thread_ = std::thread([this] { serve(); });
}

LockMaster::~LockMaster() {
    const std::uint64_t one = 1;
    if (write(stop_.get(), &one, sizeof one) != sizeof one) std::terminate();  // nothing else has written to it
    thread_.join();
}

void LockMaster::serve() {
    while (wait_for_work()) {
        drop_broken();
        sessions_count_ = connections_.size();
    }
}

// One round: waits for any socket and does what it asks for. False: it is time to stop.
bool LockMaster::wait_for_work() {
    std::vector<pollfd> wanted{{stop_.get(), POLLIN, 0}, {listening_.get(), POLLIN, 0}};
    std::vector<Owner> owners;
    for (const auto& [owner, connection] : connections_) {
        const int events = POLLIN | (connection.unsent.empty() ? 0 : POLLOUT);
        wanted.push_back({connection.fd.get(), static_cast<short>(events), 0});
        owners.push_back(owner);
    }
    if (poll(wanted.data(), wanted.size(), -1) < 0) return errno == EINTR;
    if (wanted[0].revents != 0) return false;
    for (std::size_t i = 0; i < owners.size(); ++i) {
        Connection& connection = connections_.at(owners[i]);
        const short ready = wanted[i + 2].revents;
        if ((ready & POLLOUT) != 0) flush(connection);
        if ((ready & (POLLIN | POLLHUP | POLLERR)) != 0) read_from(owners[i], connection);
    }
    if (wanted[1].revents != 0) accept_all();
    return true;
}

void LockMaster::accept_all() {
    for (;;) {
        Fd fd(accept4(listening_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (fd.get() < 0) return;
        prepare_connection(fd);
        connections_.emplace(next_owner_++, Connection{std::move(fd), {}, {}, false});
    }
}

void LockMaster::read_from(Owner owner, Connection& connection) {
    char bytes[4096];
    const ssize_t got = recv(connection.fd.get(), bytes, sizeof bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        connection.broken = true;
        return;
    }
    connection.lines.append({bytes, static_cast<std::size_t>(got)});
    take_lines(owner, connection);
}

void LockMaster::take_lines(Owner owner, Connection& connection) {
    while (const auto line = connection.lines.next()) {
        const auto message = parse_line(*line);
        if (message && service_.take(owner, *message)) continue;
        connection.broken = true;
        return;
    }
    if (connection.lines.overflown()) connection.broken = true;
}

void LockMaster::send(Owner owner, const Message& message) {
    Connection& connection = connections_.at(owner);
    connection.unsent += to_line(message);
    flush(connection);
    if (connection.unsent.size() > most_unsent_bytes) connection.broken = true;
}

void LockMaster::flush(Connection& connection) {
    const ssize_t sent = ::send(connection.fd.get(), connection.unsent.data(), connection.unsent.size(), MSG_NOSIGNAL);
    if (sent > 0) connection.unsent.erase(0, static_cast<std::size_t>(sent));
    if (sent < 0 && errno != EAGAIN && errno != EINTR) connection.broken = true;
}

// To forget one owner grants to others, and a line to one of those may break its connection in turn.
void LockMaster::drop_broken() {
    for (auto it = connections_.begin(); it != connections_.end();) {
        if (!it->second.broken) {
            ++it;
            continue;
        }
        service_.forget(it->first);
        connections_.erase(it);
        it = connections_.begin();
    }
}

}  // namespace lockstep::dlm
