#include "nfs_server/rpc/peer_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace lockstep::server::rpc {
namespace {

const sockaddr_in& as_ipv4(const sockaddr* address) {
    return *reinterpret_cast<const sockaddr_in*>(address);
}
const sockaddr_in6& as_ipv6(const sockaddr* address) {
    return *reinterpret_cast<const sockaddr_in6*>(address);
}

}  // namespace

PeerAddress::PeerAddress(const sockaddr* address, socklen_t size_bytes)
    : size_bytes_(std::min<socklen_t>(size_bytes, sizeof storage_)) {
    std::memcpy(&storage_, address, size_bytes_);
}

Result<PeerAddress, std::string> PeerAddress::parse(std::string_view address, uint16_t port) {
    const std::string text(address);
    sockaddr_in ipv4{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
    if (inet_pton(AF_INET, text.c_str(), &ipv4.sin_addr) == 1)
        return PeerAddress(reinterpret_cast<const sockaddr*>(&ipv4), sizeof ipv4);
    sockaddr_in6 ipv6{};
    ipv6.sin6_family = AF_INET6;
    ipv6.sin6_port = htons(port);
    if (inet_pton(AF_INET6, text.c_str(), &ipv6.sin6_addr) == 1)
        return PeerAddress(reinterpret_cast<const sockaddr*>(&ipv6), sizeof ipv6);
    return fail(fmt::format("'{}' is not an IPv4 or IPv6 address", text));
}

PeerAddress PeerAddress::of_socket(int socket) {
    sockaddr_storage storage{};
    socklen_t size_bytes = sizeof storage;
    if (getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size_bytes) != 0) return {};
    return {reinterpret_cast<const sockaddr*>(&storage), size_bytes};
}

uint16_t PeerAddress::port() const {
    if (storage_.ss_family == AF_INET) return ntohs(as_ipv4(get()).sin_port);
    if (storage_.ss_family == AF_INET6) return ntohs(as_ipv6(get()).sin6_port);
    return 0;
}

void PeerAddress::set_port(uint16_t port) {
    if (storage_.ss_family == AF_INET) reinterpret_cast<sockaddr_in*>(&storage_)->sin_port = htons(port);
    if (storage_.ss_family == AF_INET6) reinterpret_cast<sockaddr_in6*>(&storage_)->sin6_port = htons(port);
}

bool PeerAddress::is_loopback() const {
    if (storage_.ss_family == AF_INET) return ntohl(as_ipv4(get()).sin_addr.s_addr) >> 24 == 127;
    return storage_.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&as_ipv6(get()).sin6_addr);
}

std::array<uint8_t, 16> PeerAddress::bytes() const {
    std::array<uint8_t, 16> bytes{};
    if (storage_.ss_family == AF_INET) {
        bytes[10] = bytes[11] = 0xff;
        std::memcpy(bytes.data() + 12, &as_ipv4(get()).sin_addr, 4);
    }
    if (storage_.ss_family == AF_INET6) std::memcpy(bytes.data(), &as_ipv6(get()).sin6_addr, bytes.size());
    return bytes;
}

std::string PeerAddress::address() const {
    char text[INET6_ADDRSTRLEN] = "unknown";
    if (storage_.ss_family == AF_INET) inet_ntop(AF_INET, &as_ipv4(get()).sin_addr, text, sizeof text);
    if (storage_.ss_family == AF_INET6) inet_ntop(AF_INET6, &as_ipv6(get()).sin6_addr, text, sizeof text);
    return text;
}

std::string PeerAddress::to_string() const {
    return fmt::format(fmt::runtime(is_ipv6() ? "[{}]:{}" : "{}:{}"), address(), port());
}

}  // namespace lockstep::server::rpc
