// The network of a run: one bridge in the sandbox's own namespace, and hosts, each a network namespace joined to it by
// a veth link. Everything is gone when the sandbox is: namespaces that no process and no descriptor holds are freed
// with their links.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "netns_harness/netlink.hpp"
#include "netns_harness/relay.hpp"
#include "netns_harness/system.hpp"

namespace lockstep::harness {

// A network namespace with a loopback device and `eth0` on the bridge.
struct Host {
    std::string name;
    std::string address;       // without prefix length
    Fd net_namespace;          // what setns() takes
    std::uint64_t net_ns = 0;  // inode of the namespace: LTTng's context of the same name
};

// A network of IPv4 or IPv6 addresses, "10.77.0.0/24" or "fd77::/64".
class Subnet {
 public:
    // Throws Error when `text` is no such thing or has room for fewer than two hosts.
    explicit Subnet(const std::string& text);

    // The address of its nth host, n from 1. Throws Error when there is no room for it.
    std::string address(unsigned n) const;
    unsigned prefix_length() const { return prefix_length_; }

 private:
    int family_ = 0;
    unsigned prefix_length_ = 0;
    unsigned char bytes_[16] = {};
};

// Builds the network in the sandbox; one thread. Throws Error.
class Network {
 public:
    // `seed`: of the random choices of links with faults.
    explicit Network(const std::string& subnet, std::uint64_t seed = 0);

    // Adds a host with the next free address; the reference stays valid. `name` is at most 12 characters (the kernel's
    // limit for device names less our prefix). `relayed`: its link can have faults.
    Host& add_host(const std::string& name, bool relayed = false);

    // A fault on the link of a relayed host; rule.id is its name for remove_rule(), which returns how many packets it
    // did something to.
    void add_rule(const std::string& host, const LinkRule& rule) { relay_->add_rule(host, rule); }
    std::uint64_t remove_rule(const std::string& host, std::uint64_t id) { return relay_->remove_rule(host, id); }

    // Resets the host's TCP connections with `peers`, with all when it is empty; returns how many.
    unsigned reset_connections(const Host& host, const std::vector<IpAddress>& peers) const;

    const std::deque<Host>& hosts() const { return hosts_; }

    // The host that has this inode; nullptr for a foreign one.
    const Host* host_of(std::uint64_t net_ns) const;

 private:
    void add_link(const Host& host, bool relayed);

    Subnet subnet_;
    std::uint64_t seed_;
    Netlink netlink_;
    std::deque<Host> hosts_;
    std::unique_ptr<Relay> relay_;  // from the first relayed host on
};

}  // namespace lockstep::harness
