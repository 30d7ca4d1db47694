#include "netns_harness/socket_reset.hpp"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "netns_harness/system.hpp"

namespace lockstep::harness {
namespace {

struct Request {
    nlmsghdr header{};
    inet_diag_req_v2 body{};
};

Request request_of(std::uint16_t type, std::uint16_t flags, std::uint8_t family) {
    Request request;
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = type;
    request.header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    request.body.sdiag_family = family;
    request.body.sdiag_protocol = IPPROTO_TCP;
    return request;
}

IpAddress peer_of(const inet_diag_msg& message) {
    IpAddress address{};
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(message.id.idiag_dst);
    if (message.idiag_family == AF_INET)
        std::memcpy(address.data() + 12, bytes, 4);
    else
        std::memcpy(address.data(), bytes, 16);
    // ::ffff:a.b.c.d, a connection of IPv4 on a socket of IPv6
    constexpr std::uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::memcmp(address.data(), mapped, sizeof mapped) == 0) std::fill_n(address.begin(), 12, std::uint8_t{0});
    return address;
}

bool is_loopback(const IpAddress& address) {
    IpAddress six{};
    six[15] = 1;
    return address == six ||
           (address[12] == 127 && std::all_of(address.begin(), address.begin() + 12, [](auto b) { return b == 0; }));
}

class Diagnosis {
 public:
    Diagnosis()
        : socket_(require(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), "cannot ask for sockets")) {}

    // Every connection, not those that only listen.
    std::vector<inet_diag_msg> connections(std::uint8_t family) {
        Request request = request_of(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family);
        request.body.idiag_states = (1U << TCP_ESTABLISHED) | (1U << TCP_SYN_SENT) | (1U << TCP_SYN_RECV) |
                                    (1U << TCP_FIN_WAIT1) | (1U << TCP_CLOSE_WAIT);
        send_request(request);
        std::vector<inet_diag_msg> found;
        while (receive(found)) {
        }
        return found;
    }

    // False: it was gone already.
    bool destroy(const inet_diag_msg& connection) {
        Request request = request_of(SOCK_DESTROY, NLM_F_ACK, connection.idiag_family);
        request.body.id = connection.id;
        send_request(request);
        std::vector<inet_diag_msg> none;
        error_ = 0;
        while (receive(none)) {
        }
        if (error_ == 0) return true;
        if (error_ == ENOENT) return false;
        errno = error_;
        throw_errno("cannot reset a connection (the kernel needs CONFIG_INET_DIAG_DESTROY)");
    }

 private:
    void send_request(const Request& request) {
        if (send(socket_.get(), &request, sizeof request, 0) < 0) throw_errno("cannot ask for sockets");
    }

    // Takes one datagram; false at the end of the answer.
    bool receive(std::vector<inet_diag_msg>& found) {
        alignas(nlmsghdr) char buffer[32'768];
        const ssize_t size = recv(socket_.get(), buffer, sizeof buffer, 0);
        if (size < 0) throw_errno("cannot ask for sockets");
        auto left = static_cast<unsigned>(size);
        for (const auto* header = reinterpret_cast<const nlmsghdr*>(buffer); NLMSG_OK(header, left);
             header = NLMSG_NEXT(header, left)) {
            if (header->nlmsg_type == NLMSG_DONE) return false;
            if (header->nlmsg_type == NLMSG_ERROR) {
                error_ = -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
                return false;
            }
            found.push_back(*static_cast<const inet_diag_msg*>(NLMSG_DATA(header)));
        }
        return true;
    }

    Fd socket_;
    int error_ = 0;
};

}  // namespace

unsigned reset_connections(const std::vector<IpAddress>& peers) {
    Diagnosis diagnosis;
    unsigned reset = 0;
    for (const std::uint8_t family : {AF_INET, AF_INET6})
        for (const inet_diag_msg& connection : diagnosis.connections(family)) {
            const IpAddress peer = peer_of(connection);
            if (is_loopback(peer) || (!peers.empty() && std::ranges::find(peers, peer) == peers.end())) continue;
            reset += diagnosis.destroy(connection) ? 1 : 0;
        }
    return reset;
}

}  // namespace lockstep::harness
