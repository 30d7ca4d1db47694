#include "nfs_server/main_admin_socket.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "nfs_server/base/check.hpp"
#include "nfs_server/nlm/lock_report.hpp"

namespace lockstep::server {
namespace {

constexpr size_t max_request_bytes = 4096;
constexpr timeval request_patience{.tv_sec = 5, .tv_usec = 0};

std::string failure(const std::string& path, const char* what) {
    return fmt::format("{} {}: {}", what, path, std::strerror(errno));
}

Result<sockaddr_un, std::string> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return fail(fmt::format("the socket's path is too long: {}", path));
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

rpc::FileDescriptor stream_socket() {
    rpc::FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &request_patience, sizeof request_patience);
    setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &request_patience, sizeof request_patience);
    return socket;
}

bool connects(int socket, const sockaddr_un& address) {
    return connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool send_all(int socket, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
}

// Up to a newline, or the end.
std::string receive_line(int socket) {
    std::string line;
    std::array<char, 512> part;
    while (line.size() < max_request_bytes) {
        const ssize_t got = recv(socket, part.data(), part.size(), 0);
        if (got <= 0) break;
        line.append(part.data(), static_cast<size_t>(got));
        if (const size_t end = line.find('\n'); end != std::string::npos) return line.substr(0, end);
    }
    return line;
}

nlohmann::json answer(nlm::LockManager& manager, const std::string& request) {
    constexpr std::string_view fence = "fence ";
    constexpr std::string_view fence_at = "fence-at ";
    if (request == "locks") return nlm::report_locks(manager);
    if (request.starts_with(fence)) return nlm::fence_client(manager, request.substr(fence.size()));
    if (request.starts_with(fence_at)) {
        const std::string_view rest = std::string_view(request).substr(fence_at.size());
        const size_t space = std::min(rest.find(' '), rest.size());
        return nlm::fence_client(manager, rest.substr(std::min(space + 1, rest.size())), rest.substr(0, space));
    }
    return {{"error", "unknown request; there are: locks, fence CLIENT, fence-at ADDRESS CLIENT"}};
}

}  // namespace

Result<std::unique_ptr<AdminSocket>, std::string> AdminSocket::open(const std::string& path,
                                                                    nlm::LockManager& manager) {
    LOCKSTEP_TRY(const sockaddr_un address, address_of(path));
    // One that somebody listens on is not ours to replace.
    if (connects(stream_socket().get(), address)) return fail(fmt::format("another server listens on {}", path));
    struct stat existing {};
    if (lstat(path.c_str(), &existing) == 0 && S_ISSOCK(existing.st_mode)) unlink(path.c_str());
    rpc::FileDescriptor socket = stream_socket();
    if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail(failure(path, "can't make the socket"));
    // Nobody can connect before listen().
    if (chmod(path.c_str(), 0600) != 0 || listen(socket.get(), 8) != 0)
        return fail(failure(path, "can't listen on the socket"));
    return std::unique_ptr<AdminSocket>(new AdminSocket(path, std::move(socket), manager));
}

AdminSocket::AdminSocket(std::string path, rpc::FileDescriptor socket, nlm::LockManager& manager)
    : path_(std::move(path)), manager_(manager), socket_(std::move(socket)), stop_(eventfd(0, EFD_CLOEXEC)) {
    check(static_cast<bool>(stop_), "eventfd");
    thread_ = std::thread([this] { work(); });
}

AdminSocket::~AdminSocket() {
    eventfd_write(stop_.get(), 1);
    thread_.join();
    unlink(path_.c_str());
}

void AdminSocket::work() {
    for (;;) {
        pollfd waited[] = {{stop_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}};
        if (poll(waited, std::size(waited), -1) < 0) check(errno == EINTR, "poll");
        if (waited[0].revents != 0) return;
        if (waited[1].revents == 0) continue;
        const rpc::FileDescriptor client(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (client) serve(client.get());
    }
}

void AdminSocket::serve(int client) {
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &request_patience, sizeof request_patience);
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &request_patience, sizeof request_patience);
    const auto reply = answer(manager_, receive_line(client));
    // Names are what clients say, and not always text.
    send_all(client, reply.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

Result<std::string, std::string> ask_admin_socket(const std::string& path, const std::string& request) {
    LOCKSTEP_TRY(const sockaddr_un address, address_of(path));
    const rpc::FileDescriptor socket = stream_socket();
    if (!connects(socket.get(), address)) return fail(failure(path, "no server answers at"));
    if (!send_all(socket.get(), request + "\n")) return fail(failure(path, "the server does not take the request at"));
    std::string reply;
    std::array<char, 65536> part;
    for (;;) {
        const ssize_t got = recv(socket.get(), part.data(), part.size(), 0);
        if (got < 0) return fail(failure(path, "the server does not answer at"));
        if (got == 0) return reply;
        reply.append(part.data(), static_cast<size_t>(got));
    }
}

}  // namespace lockstep::server
