// The address of a socket's other end, or of our own. Rpc layer.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "nfs_server/base/result.hpp"

namespace lockstep::server::rpc {

// An IPv4 or IPv6 address with a port. A value.
class PeerAddress {
 public:
    PeerAddress() = default;
    PeerAddress(const sockaddr* address, socklen_t size_bytes);

    // From text such as "127.0.0.1", "::" or "0.0.0.0" and a port. Error: a message that names the text.
    static Result<PeerAddress, std::string> parse(std::string_view address, uint16_t port);
    // The local address that the socket is bound to.
    static PeerAddress of_socket(int socket);

    uint16_t port() const;
    void set_port(uint16_t port);
    // The address without its port: IPv6, or IPv4 as ::ffff:a.b.c.d. Zeros when there is none.
    std::array<uint8_t, 16> bytes() const;
    bool is_ipv6() const { return storage_.ss_family == AF_INET6; }
    bool is_loopback() const;
    // "192.0.2.1", "2001:db8::1"
    std::string address() const;
    // "192.0.2.1:2049", "[2001:db8::1]:2049"
    std::string to_string() const;

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
    socklen_t size_bytes() const { return size_bytes_; }

 private:
    sockaddr_storage storage_{};
    socklen_t size_bytes_ = 0;
};

}  // namespace lockstep::server::rpc
