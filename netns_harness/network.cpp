#include "netns_harness/network.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <charconv>
#include <exception>
#include <functional>
#include <thread>

#include "netns_harness/socket_reset.hpp"

namespace lockstep::harness {
namespace {

constexpr const char* bridge = "bridge0";
constexpr const char* host_device = "eth0";

// Runs `work` in a thread of its own, whose namespaces it may change; throws what `work` throws.
void in_own_thread(const std::function<void()>& work) {
    std::exception_ptr failure;
    std::thread([&] {
        try {
            work();
        } catch (...) {
            failure = std::current_exception();
        }
    }).join();
    if (failure) std::rethrow_exception(failure);
}

// A new network namespace, its loopback up. A namespace belongs to a thread: the thread ends, the descriptor keeps it.
Fd new_net_namespace() {
    Fd made;
    in_own_thread([&] {
        require(unshare(CLONE_NEWNET), "cannot make a network namespace");
        made = Fd(require(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "cannot open a network namespace"));
        Netlink().set_up("lo");
    });
    return made;
}

std::uint64_t inode_of(const Fd& fd) {
    struct stat status {};
    require(fstat(fd.get(), &status), "cannot examine a network namespace");
    return status.st_ino;
}

}  // namespace

Subnet::Subnet(const std::string& text) {
    const auto slash = text.find('/');
    const std::string address = text.substr(0, slash);
    family_ = inet_pton(AF_INET, address.c_str(), bytes_) == 1    ? AF_INET
              : inet_pton(AF_INET6, address.c_str(), bytes_) == 1 ? AF_INET6
                                                                  : 0;
    const std::string length = slash == std::string::npos ? "" : text.substr(slash + 1);
    const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), prefix_length_);
    const unsigned bits = family_ == AF_INET ? 32 : 128;
    if (family_ == 0 || error != std::errc() || end != length.data() + length.size() || prefix_length_ < 8 ||
        prefix_length_ > bits - 2)
        throw Error("not a subnet such as 10.77.0.0/24 or fd77::/64: " + text);
}

std::string Subnet::address(unsigned n) const {
    const unsigned bits = family_ == AF_INET ? 32 : 128;
    const unsigned host_bits = bits - prefix_length_;
    if (n == 0 || (host_bits < 32 && n >= (1U << host_bits) - 1))
        throw Error("the subnet has no room for host number " + std::to_string(n));
    unsigned char with_host[16];
    std::copy(std::begin(bytes_), std::end(bytes_), with_host);
    for (unsigned bit = 0; bit < 32 && bit < host_bits; ++bit) {
        const unsigned byte = (bits - 1 - bit) / 8;
        const unsigned char mask = static_cast<unsigned char>(1U << (bit % 8));
        with_host[byte] = static_cast<unsigned char>((with_host[byte] & ~mask) | ((n >> bit & 1U) != 0 ? mask : 0));
    }
    char text[INET6_ADDRSTRLEN];
    return inet_ntop(family_, with_host, text, sizeof text);
}

Network::Network(const std::string& subnet, std::uint64_t seed) : subnet_(subnet), seed_(seed) {
    netlink_.add_bridge(bridge);
}

// With a relay: the host's link ends in to-HOST, and br-HOST is the port of the bridge.
void Network::add_link(const Host& host, bool relayed) {
    netlink_.add_veth_to(relayed ? "" : bridge, "to-" + host.name, host_device, host.net_namespace);
    if (!relayed) return;
    const Fd here(require(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "cannot open a network namespace"));
    netlink_.add_veth_to(bridge, "br-" + host.name, "up-" + host.name, here);
    netlink_.set_up("up-" + host.name);
    if (!relay_) relay_ = std::make_unique<Relay>(seed_);
    relay_->join(host.name, "to-" + host.name, "up-" + host.name);
}

unsigned Network::reset_connections(const Host& host, const std::vector<IpAddress>& peers) const {
    unsigned reset = 0;
    in_own_thread([&] {
        require(setns(host.net_namespace.get(), CLONE_NEWNET), "cannot enter the network namespace of " + host.name);
        reset = harness::reset_connections(peers);
    });
    return reset;
}

Host& Network::add_host(const std::string& name, bool relayed) {
    Host& host = hosts_.emplace_back();
    host.name = name;
    host.address = subnet_.address(static_cast<unsigned>(hosts_.size()));
    host.net_namespace = new_net_namespace();
    host.net_ns = inode_of(host.net_namespace);
    add_link(host, relayed);
    in_own_thread([&] {
        require(setns(host.net_namespace.get(), CLONE_NEWNET), "cannot enter the network namespace of " + name);
        Netlink inside;
        inside.add_address(host_device, host.address + "/" + std::to_string(subnet_.prefix_length()));
        inside.set_up(host_device);
    });
    return host;
}

const Host* Network::host_of(std::uint64_t net_ns) const {
    for (const Host& host : hosts_)
        if (host.net_ns == net_ns) return &host;
    return nullptr;
}

}  // namespace lockstep::harness
