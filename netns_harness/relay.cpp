#include "netns_harness/relay.hpp"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
// Its header calls a member "class".
#define class klass
#include <linux/virtio_net.h>
#undef class
#include <net/if.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <queue>
#include <thread>

#include "netns_harness/system.hpp"

namespace lockstep::harness {
namespace {

constexpr std::size_t offload_header = sizeof(virtio_net_hdr);
constexpr std::size_t longest_frame = offload_header + ETH_HLEN + 4 + 65'536;  // segmentation offload: up to 64 KiB
constexpr int frames_at_once = 64;  // of one device, before the others have their turn

nanoseconds monotonic() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return std::chrono::seconds(now.tv_sec) + nanoseconds(now.tv_nsec);
}

Fd packet_socket(const std::string& device) {
    Fd made(require(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "cannot make a packet socket"));
    const int on = 1, room = 8 << 20;
    require(setsockopt(made.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on), "cannot see offloads of " + device);
    require(setsockopt(made.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on),
            "cannot ignore what is sent to " + device);
    // Without the right to more than the system's limit, that much is taken.
    if (setsockopt(made.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
        setsockopt(made.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(if_nametoindex(device.c_str()));
    if (address.sll_ifindex == 0) throw_errno("no device " + device);
    require(bind(made.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "cannot watch " + device);
    return made;
}

struct HeldFrame {
    nanoseconds release;
    std::uint64_t number;  // frames of one moment stay in order
    int to;                // socket
    std::vector<std::uint8_t> bytes;
};

struct Later {
    bool operator()(const HeldFrame& a, const HeldFrame& b) const {
        return a.release != b.release ? a.release > b.release : a.number > b.number;
    }
};

}  // namespace

struct Relay::Moving {
    struct Link {
        std::string host;
        Fd host_side;
        Fd bridge_side;
        LinkRules rules;
    };

    explicit Moving(std::uint64_t chosen_seed)
        : seed(chosen_seed), wake(require(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "cannot make an eventfd")) {}

    void move();
    void move_from(Link& link, Direction direction);
    void release_due(nanoseconds now);
    int timeout_ms(nanoseconds now) const;
    Link& find(const std::string& host);
    void interrupt() const {
        const std::uint64_t one = 1;
        (void)!write(wake.get(), &one, sizeof one);
    }

    std::uint64_t seed;
    Fd wake;
    std::mutex mutex;  // all below
    std::deque<Link> links;
    std::priority_queue<HeldFrame, std::vector<HeldFrame>, Later> held;
    std::uint64_t frames = 0;
    bool stopping = false;
    std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(longest_frame);
    std::thread thread;
};

Relay::Moving::Link& Relay::Moving::find(const std::string& host) {
    const auto found = std::ranges::find(links, host, &Link::host);
    if (found == links.end()) throw Error("the relay has no link of " + host);
    return *found;
}

// What can't be sent on (the device's queue is full) is lost, as on any link.
void Relay::Moving::release_due(nanoseconds now) {
    while (!held.empty() && held.top().release <= now) {
        const HeldFrame& first = held.top();
        (void)!send(first.to, first.bytes.data(), first.bytes.size(), 0);
        held.pop();
    }
}

void Relay::Moving::move_from(Link& link, Direction direction) {
    const int from = direction == Direction::out ? link.host_side.get() : link.bridge_side.get();
    const int to = direction == Direction::out ? link.bridge_side.get() : link.host_side.get();
    for (int count = 0; count < frames_at_once; ++count) {
        const ssize_t size = recv(from, buffer.data(), buffer.size(), MSG_TRUNC);
        if (size <= static_cast<ssize_t>(offload_header)) return;
        if (static_cast<std::size_t>(size) > buffer.size()) continue;
        const std::span<const std::uint8_t> all(buffer.data(), static_cast<std::size_t>(size));
        const nanoseconds now = monotonic();
        for (const nanoseconds release : link.rules.pass(all.subspan(offload_header), direction, now)) {
            if (release <= now)
                (void)!send(to, all.data(), all.size(), 0);
            else
                held.push({release, ++frames, to, {all.begin(), all.end()}});
        }
    }
}

int Relay::Moving::timeout_ms(nanoseconds now) const {
    if (held.empty()) return -1;
    return static_cast<int>(
        std::chrono::ceil<milliseconds>(std::max(held.top().release - now, nanoseconds(0))).count());
}

void Relay::Moving::move() {
    for (;;) {
        std::vector<pollfd> wanted{{wake.get(), POLLIN, 0}};
        int timeout = -1;
        {
            const std::lock_guard hold(mutex);
            if (stopping) return;
            for (Link& link : links) {
                move_from(link, Direction::out);
                move_from(link, Direction::in);
                wanted.push_back({link.host_side.get(), POLLIN, 0});
                wanted.push_back({link.bridge_side.get(), POLLIN, 0});
            }
            const nanoseconds now = monotonic();
            release_due(now);
            timeout = timeout_ms(now);
        }
        poll(wanted.data(), wanted.size(), timeout);
        std::uint64_t count = 0;
        (void)!read(wake.get(), &count, sizeof count);
    }
}

Relay::Relay(std::uint64_t seed) : moving_(std::make_unique<Moving>(seed)) {
    moving_->thread = std::thread([moving = moving_.get()] { moving->move(); });
}

Relay::~Relay() {
    {
        const std::lock_guard hold(moving_->mutex);
        moving_->stopping = true;
    }
    moving_->interrupt();
    moving_->thread.join();
}

void Relay::join(const std::string& host, const std::string& host_side, const std::string& bridge_side) {
    Moving::Link link{host, packet_socket(host_side), packet_socket(bridge_side), LinkRules(moving_->seed)};
    const std::lock_guard hold(moving_->mutex);
    link.rules = LinkRules(moving_->seed + moving_->links.size());
    moving_->links.push_back(std::move(link));
    moving_->interrupt();
}

void Relay::add_rule(const std::string& host, const LinkRule& rule) {
    const std::lock_guard hold(moving_->mutex);
    moving_->find(host).rules.add(rule);
}

std::uint64_t Relay::remove_rule(const std::string& host, std::uint64_t id) {
    const std::lock_guard hold(moving_->mutex);
    return moving_->find(host).rules.remove(id);
}

}  // namespace lockstep::harness
