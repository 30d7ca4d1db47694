// The few things that the harness asks of the kernel's rtnetlink, through libnl-route, in the caller's network
// namespace.
#pragma once

#include <memory>
#include <string>

#include "netns_harness/system.hpp"

struct nl_sock;

namespace lockstep::harness {

// A connection to rtnetlink of the network namespace in which the calling thread is when it makes it; it stays with
// that one. One thread at a time. Every method throws Error that names the device.
class Netlink {
 public:
    Netlink();

    void set_up(const std::string& device);
    void add_bridge(const std::string& device);

    // A pair of connected devices: `device` here, as a port of `bridge` (empty: of none), up; `peer` in the namespace
    // that `peer_namespace` is an open descriptor of, down.
    void add_veth_to(const std::string& bridge, const std::string& device, const std::string& peer,
                     const Fd& peer_namespace);

    // `address`: IPv4 or IPv6 with prefix length, "10.77.0.1/24".
    void add_address(const std::string& device, const std::string& address);

 private:
    int index_of(const std::string& device);

    struct CloseSocket {
        void operator()(nl_sock* socket) const;
    };
    std::unique_ptr<nl_sock, CloseSocket> socket_;
};

}  // namespace lockstep::harness
