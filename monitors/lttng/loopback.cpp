#include "monitors/lttng/loopback.hpp"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "monitors/lttng/lttng_error.hpp"

namespace lockstep::monitors {
namespace {

class Socket {
 public:
    Socket(int family, int type, int protocol) : fd_(socket(family, type | SOCK_CLOEXEC, protocol)) {}
    ~Socket() { close(fd_); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    int get() const { return fd_; }

 private:
    int fd_;
};

LttngError loopback_error(const std::string& step) {
    return LttngError("loopback: " + step + ": " + std::strerror(errno));
}

// A netlink request that replaces the route to 127.0.0.1 in the table `local` by itself, with the metric quickack.
struct RouteRequest {
    nlmsghdr header{};
    rtmsg route{};
    char attributes[128]{};

    RouteRequest() {
        header.nlmsg_len = NLMSG_LENGTH(sizeof route);
        header.nlmsg_type = RTM_NEWROUTE;
        header.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK;
        route.rtm_family = AF_INET;
        route.rtm_dst_len = 32;
        route.rtm_table = RT_TABLE_LOCAL;
        route.rtm_protocol = RTPROT_KERNEL;
        route.rtm_scope = RT_SCOPE_HOST;
        route.rtm_type = RTN_LOCAL;
        const std::uint32_t address = htonl(INADDR_LOOPBACK);
        const std::uint32_t device = if_nametoindex("lo");
        add(RTA_DST, &address, sizeof address);
        add(RTA_PREFSRC, &address, sizeof address);
        add(RTA_OIF, &device, sizeof device);
        struct {
            rtattr header;
            std::uint32_t on;
        } quickack{{sizeof quickack, RTAX_QUICKACK}, 1};
        add(RTA_METRICS, &quickack, sizeof quickack);
    }

    void add(unsigned short type, const void* data, unsigned short size) {
        rtattr attribute{static_cast<unsigned short>(RTA_LENGTH(size)), type};
        char* place = attributes + (header.nlmsg_len - NLMSG_LENGTH(sizeof route));
        std::memcpy(place, &attribute, sizeof attribute);
        std::memcpy(place + sizeof attribute, data, size);
        header.nlmsg_len += RTA_ALIGN(attribute.rta_len);
    }
};

}  // namespace

void bring_loopback_up() {
    const Socket any(AF_INET, SOCK_DGRAM, 0);
    ifreq request{};
    std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) throw loopback_error("bringing lo up");
}

void acknowledge_at_once_on_loopback() {
    const Socket netlink(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    const RouteRequest request;
    if (send(netlink.get(), &request, request.header.nlmsg_len, 0) < 0) throw loopback_error("asking for a route");
    struct {
        nlmsghdr header;
        nlmsgerr error;
        char rest[256];
    } answer{};
    if (recv(netlink.get(), &answer, sizeof answer, 0) < 0) throw loopback_error("the answer about a route");
    if (answer.header.nlmsg_type == NLMSG_ERROR && answer.error.error != 0) {
        errno = -answer.error.error;
        throw loopback_error("changing the route to 127.0.0.1");
    }
}

}  // namespace lockstep::monitors
