#include "reactors/packet_ring.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "reactors/reactor.hpp"

namespace lockstep::reactors {
namespace {

constexpr std::size_t longest_packet = 65'536;

// Packets without their link layer, of all devices.
int packet_socket() {
    const int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
    if (fd < 0)
        throw ReactorError(
            fmt::format("capture cannot listen to packets (needs CAP_NET_RAW): {}", std::strerror(errno)));
    const int room = 8 << 20, on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
    return fd;
}

// A socket belongs to the namespace that its maker was in: a thread goes there and ends.
int packet_socket_in(const std::string& net_ns) {
    if (net_ns.empty()) return packet_socket();
    int fd = -1;
    std::string failure;
    std::thread([&] {
        const int name_space = open(net_ns.c_str(), O_RDONLY | O_CLOEXEC);
        if (name_space < 0 || setns(name_space, CLONE_NEWNET) != 0)
            failure = fmt::format("capture cannot enter {}: {}", net_ns, std::strerror(errno));
        if (name_space >= 0) close(name_space);
        if (!failure.empty()) return;
        try {
            fd = packet_socket();
        } catch (const ReactorError& error) {
            failure = error.what();
        }
    }).join();
    if (!failure.empty()) throw ReactorError(failure);
    return fd;
}

std::uint64_t time_of(msghdr& message) {
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
        timespec time;
        std::memcpy(&time, CMSG_DATA(part), sizeof(time));
        return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
    }
    return 0;
}

}  // namespace

PacketRing::PacketRing(const std::string& net_ns, std::size_t most_bytes)
    : most_bytes_(most_bytes), socket_(packet_socket_in(net_ns)), stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    thread_ = std::thread([this] { listen(); });
    pthread_sigmask(SIG_SETMASK, &former, nullptr);
}

PacketRing::~PacketRing() {
    const std::uint64_t one = 1;
    (void)!write(stop_, &one, sizeof(one));
    thread_.join();
    close(socket_);
    close(stop_);
}

void PacketRing::listen() {
    for (;;) {
        pollfd waiting[] = {{stop_, POLLIN, 0}, {socket_, POLLIN, 0}};
        if (poll(waiting, 2, -1) < 0 && errno != EINTR) return;
        if (waiting[0].revents != 0) return;
        receive();
    }
}

void PacketRing::receive() {
    std::vector<std::uint8_t> buffer(longest_packet);
    for (;;) {
        sockaddr_ll from{};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(timespec))];
        iovec part{buffer.data(), buffer.size()};
        msghdr message{};
        message.msg_name = &from, message.msg_namelen = sizeof(from);
        message.msg_iov = &part, message.msg_iovlen = 1;
        message.msg_control = control, message.msg_controllen = sizeof(control);
        const ssize_t size = recvmsg(socket_, &message, MSG_TRUNC);
        if (size < 0) return;
        // Loopback shows each packet twice: as it leaves, and as it arrives.
        if (from.sll_hatype == ARPHRD_LOOPBACK && from.sll_pkttype == PACKET_OUTGOING) continue;
        const auto header = sll2_header(from.sll_protocol, from.sll_ifindex, from.sll_hatype, from.sll_pkttype,
                                        from.sll_halen, from.sll_addr);
        Packet packet{time_of(message), static_cast<std::uint32_t>(size), {header.begin(), header.end()}};
        const std::size_t kept = std::min(static_cast<std::size_t>(size), buffer.size());
        packet.bytes.insert(packet.bytes.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(kept));
        keep(std::move(packet));
    }
}

void PacketRing::keep(Packet packet) {
    const std::lock_guard hold(mutex_);
    ++counts_.received;
    bytes_ += packet.bytes.size();
    packets_.push_back(std::move(packet));
    for (; bytes_ > most_bytes_ && packets_.size() > 1; packets_.pop_front()) bytes_ -= packets_.front().bytes.size();
}

std::vector<Packet> PacketRing::packets() const {
    const std::lock_guard hold(mutex_);
    return {packets_.begin(), packets_.end()};
}

// The kernel's count starts anew each time it is asked for.
PacketCounts PacketRing::counts() {
    const std::lock_guard hold(mutex_);
    tpacket_stats statistics{};
    socklen_t size = sizeof(statistics);
    if (getsockopt(socket_, SOL_PACKET, PACKET_STATISTICS, &statistics, &size) == 0)
        counts_.dropped += statistics.tp_drops;
    return counts_;
}

}  // namespace lockstep::reactors
