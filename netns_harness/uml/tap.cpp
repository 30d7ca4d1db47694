#include "netns_harness/uml/tap.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "netns_harness/netlink.hpp"

namespace lockstep::uml {
namespace {

using harness::Error;
using harness::Fd;
using harness::require;

constexpr std::size_t longest_packet = 64 << 10;
constexpr int drained_packets_limit = 10'000;

ifreq request_for(const std::string& device) {
    if (device.empty() || device.size() >= IFNAMSIZ)
        throw Error("\"" + device + "\" is no device name: 1 to 15 characters");
    ifreq request{};
    std::memcpy(request.ifr_name, device.data(), device.size());
    return request;
}

}  // namespace

Fd open_tap(const std::string& name) {
    ifreq request = request_for(name);
    Fd tap(require(open("/dev/net/tun", O_RDWR | O_CLOEXEC), "cannot open /dev/net/tun"));
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    require(ioctl(tap.get(), TUNSETIFF, &request), "cannot make the tap device " + name);
    harness::Netlink().set_up(name);
    return tap;
}

void join_bridge(const std::string& name, const std::string& bridge) {
    const Fd any_socket(require(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "cannot make a socket"));
    ifreq request = request_for(bridge);
    request.ifr_ifindex = static_cast<int>(if_nametoindex(name.c_str()));
    require(ioctl(any_socket.get(), SIOCBRADDIF, &request), "cannot make " + name + " a port of the bridge " + bridge);
}

void drain_tap(const Fd& tap) {
    const int flags = require(fcntl(tap.get(), F_GETFL), "cannot ask the tap for its flags");
    require(fcntl(tap.get(), F_SETFL, flags | O_NONBLOCK), "cannot make the tap non-blocking");
    std::string packet(longest_packet, '\0');
    // Bounded: the queue is far shorter, and a flood must not keep us here.
    for (int packets = 0; packets < drained_packets_limit; ++packets)
        if (read(tap.get(), packet.data(), packet.size()) <= 0) return;
}

}  // namespace lockstep::uml
