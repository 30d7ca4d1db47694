#include "nfs_server/rpc/udp_server.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fmt/format.h>

#include "nfs_server/base/check.hpp"
#include "tracepoints/rpc.tp"

namespace lockstep::server::rpc {
namespace {

constexpr size_t max_datagram_bytes = 65536;
// Beyond what TCP connections are numbered with.
std::atomic<uint64_t> last_connection_id{first_udp_connection_id};

// A datagram with the address that it was sent to: the answer must come from there.
struct Datagram {
    sockaddr_storage peer{};
    alignas(cmsghdr) std::array<char, 128> control{};
    msghdr head{};

    Datagram(iovec* pieces, size_t count) {
        head.msg_name = &peer;
        head.msg_namelen = sizeof peer;
        head.msg_control = control.data();
        head.msg_controllen = control.size();
        head.msg_iov = pieces;
        head.msg_iovlen = count;
    }
    // The kernel chooses the device by itself: an answer may take another way.
    void turn_around(std::vector<iovec>& pieces) {
        for (cmsghdr* part = CMSG_FIRSTHDR(&head); part; part = CMSG_NXTHDR(&head, part)) {
            if (part->cmsg_level != IPPROTO_IP || part->cmsg_type != IP_PKTINFO) continue;
            in_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(part), sizeof info);
            info.ipi_spec_dst = info.ipi_addr;
            info.ipi_ifindex = 0;
            std::memcpy(CMSG_DATA(part), &info, sizeof info);
        }
        head.msg_iov = pieces.data();
        head.msg_iovlen = pieces.size();
        head.msg_flags = 0;
    }
};

}  // namespace

UdpServer::UdpServer() : stop_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!stop_) throw std::system_error(errno, std::generic_category(), "eventfd");
}

UdpServer::~UdpServer() {
    stop();
}

Result<PeerAddress, std::string> UdpServer::listen(const PeerAddress& address, const ProgramSet& programs) {
    check(threads_.empty(), "sockets are opened before the start");
    const auto failed = [&](const char* what) {
        return fail(fmt::format("can't listen on {} (UDP): {}: {}", address.to_string(), what, std::strerror(errno)));
    };
    FileDescriptor socket(::socket(address.get()->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) return failed("socket");
    const int on = 1;
    if (address.is_ipv6()) setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(socket.get(), address.get(), address.size_bytes()) != 0) return failed("bind");
    return adopt(std::move(socket), programs);
}

// A reply shall come from the address that was called: the kernel tells which one it was.
PeerAddress UdpServer::adopt(FileDescriptor socket, const ProgramSet& programs) {
    check(threads_.empty(), "sockets are opened before the start");
    const int on = 1;
    const PeerAddress bound = PeerAddress::of_socket(socket.get());
    if (bound.is_ipv6())
        setsockopt(socket.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    else
        setsockopt(socket.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    listeners_.push_back({std::move(socket), std::make_unique<Dispatcher>(programs), ++last_connection_id});
    return bound;
}

void UdpServer::start(uint32_t threads) {
    check(threads >= 1, "at least one thread serves");
    for (uint32_t i = 0; i < threads; ++i) {
        threads_.emplace_back([this] { work(); });
        pthread_setname_np(threads_.back().native_handle(), fmt::format("udp-{}", i).c_str());
    }
}

void UdpServer::work() {
    std::vector<std::byte> buffer(max_datagram_bytes);
    std::vector<pollfd> waited{{stop_.get(), POLLIN, 0}};
    for (const Listener& listener : listeners_) waited.push_back({listener.socket.get(), POLLIN, 0});
    for (;;) {
        if (poll(waited.data(), waited.size(), -1) < 0) check(errno == EINTR, "poll");
        if (waited[0].revents != 0) return;
        for (size_t i = 0; i < listeners_.size(); ++i)
            if (waited[i + 1].revents != 0) serve_one(listeners_[i], buffer);
    }
}

// What is no call is dropped: an answer could go to anybody in whose name it was sent.
void UdpServer::serve_one(const Listener& listener, std::span<std::byte> buffer) {
    iovec whole{buffer.data(), buffer.size()};
    Datagram datagram(&whole, 1);
    const ssize_t size_bytes = recvmsg(listener.socket.get(), &datagram.head, 0);
    if (size_bytes < 0 || (datagram.head.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return;
    const PeerAddress peer(reinterpret_cast<const sockaddr*>(&datagram.peer), datagram.head.msg_namelen);
    Arena arena(2048);
    std::vector<iovec> pieces;
    const auto message = buffer.first(static_cast<size_t>(size_bytes));
    const Answer answer = listener.dispatcher->answer(message, {listener.connection_id, peer}, arena, pieces);
    if (answer.kind == Answer::Kind::none) return;
    if (answer.kind == Answer::Kind::reply)
        lttng_ust_tracepoint(rpc, reply_sent, answer.request_id, listener.connection_id, answer.xid,
                             answer.accept_status, answer.size_bytes);
    datagram.turn_around(pieces);
    // A datagram may be lost on its way, and here as well.
    static_cast<void>(sendmsg(listener.socket.get(), &datagram.head, MSG_NOSIGNAL));
}

void UdpServer::stop() {
    eventfd_write(stop_.get(), 1);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
}

}  // namespace lockstep::server::rpc
