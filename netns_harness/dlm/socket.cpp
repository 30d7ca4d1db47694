#include "netns_harness/dlm/socket.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <thread>

namespace lockstep::dlm {
namespace {

[[noreturn]] void fail(const std::string& what, int error) {
    throw SocketError(what + ": " + std::strerror(error));
}

using AddressInfo = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

AddressInfo resolve(const Address& address) {
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
    if (error != 0) throw SocketError("'" + address.host + "' is no address: " + gai_strerror(error));
    return {found, &freeaddrinfo};
}

std::string text_of(const Address& address) {
    return address.host + " port " + std::to_string(address.port);
}

// 0, or the error.
int try_to_connect(const Fd& socket, const addrinfo& to, Clock::time_point deadline) {
    if (connect(socket.get(), to.ai_addr, to.ai_addrlen) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    pollfd wanted{socket.get(), POLLOUT, 0};
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
    if (poll(&wanted, 1, left > 0 ? static_cast<int>(left) : 0) != 1) return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

Fd new_socket(const addrinfo& info) {
    Fd made(socket(info.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (made.get() < 0) fail("socket", errno);
    return made;
}

}  // namespace

Fd::~Fd() {
    if (fd_ >= 0) close(fd_);
}

Fd& Fd::operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

Address parse_address(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    Address address;
    if (colon == std::string::npos) throw SocketError("'" + text + "' is not ADDRESS:PORT");
    address.host = text.substr(0, colon);
    if (address.host.starts_with('[') && address.host.ends_with(']'))
        address.host = address.host.substr(1, address.host.size() - 2);
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + colon + 1, end, address.port);
    if (parsed.ec != std::errc() || parsed.ptr != end || address.port < 0 || address.port > 65535)
        throw SocketError("'" + text + "' is not ADDRESS:PORT");
    resolve(address);
    return address;
}

Fd listen_at(const Address& address) {
    const AddressInfo info = resolve(address);
    Fd listening = new_socket(*info);
    const int on = 1;
    setsockopt(listening.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listening.get(), info->ai_addr, info->ai_addrlen) != 0 || listen(listening.get(), 256) != 0)
        fail("cannot listen at " + text_of(address), errno);
    return listening;
}

int port_of(const Fd& listening) {
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    if (getsockname(listening.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) fail("getsockname", errno);
    // Both families keep the port at the same place.
    return ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
}

Fd connect_to(const Address& address, Clock::time_point deadline) {
    const AddressInfo info = resolve(address);
    for (;;) {
        Fd connection = new_socket(*info);
        const int error = try_to_connect(connection, *info, deadline);
        if (error == 0) {
            prepare_connection(connection);
            return connection;
        }
        if (error != ECONNREFUSED || Clock::now() >= deadline) fail("cannot connect to " + text_of(address), error);
        std::this_thread::sleep_for(milliseconds(5));
    }
}

void prepare_connection(const Fd& connection) {
    const int on = 1;
    if (setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) fail("TCP_NODELAY", errno);
}

}  // namespace lockstep::dlm
