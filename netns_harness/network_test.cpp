// Hosts reach each other over TCP, and nobody else; addresses come from the subnet.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "netns_harness/network.hpp"
#include "netns_harness/sandbox.hpp"

namespace lockstep::harness {
namespace {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress socket_address(const std::string& address, const char* port) {
    addrinfo hints{};
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(address.c_str(), port, &hints, &found) != 0) throw Error("not an address: " + address);
    SocketAddress result;
    std::copy_n(reinterpret_cast<const char*>(found->ai_addr), found->ai_addrlen,
                reinterpret_cast<char*>(&result.storage));
    result.size = found->ai_addrlen;
    freeaddrinfo(found);
    return result;
}

// A socket that was made in the host's namespace, where it stays.
Fd socket_on(const Host& host, int family) {
    Fd made;
    std::thread([&] {
        if (setns(host.net_namespace.get(), CLONE_NEWNET) == 0)
            made = Fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    }).join();
    if (!made) throw Error("no socket on " + host.name);
    return made;
}

// Whether `from` can connect to `address`, where a socket listens.
bool can_connect(const Host& from, const std::string& address, const char* port) {
    const SocketAddress to = socket_address(address, port);
    const Fd client = socket_on(from, to.storage.ss_family);
    const timeval limit{2, 0};
    setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return connect(client.get(), to.get(), to.size) == 0;
}

Fd listen_on(const Host& host, const std::string& address, const char* port) {
    const SocketAddress at = socket_address(address, port);
    Fd server = socket_on(host, at.storage.ss_family);
    require(bind(server.get(), at.get(), at.size), "bind");
    require(listen(server.get(), 16), "listen");
    return server;
}

// Everything of a test runs inside a sandbox; its failed expectations come back as the number of the check.
int check_full_mesh(const std::string& subnet) {
    Network network(subnet);
    for (const char* name : {"server", "client1", "client2", "client3"}) network.add_host(name);
    for (const Host& to : network.hosts()) {
        const Fd listening = listen_on(to, to.address, "2049");
        const Fd local = listen_on(to, to.address.find(':') == std::string::npos ? "127.0.0.1" : "::1", "111");
        for (const Host& from : network.hosts())
            if (!can_connect(from, to.address, "2049")) return 1;
        if (!can_connect(to, "127.0.0.1", "111") && !can_connect(to, "::1", "111")) return 2;
    }
    const Fd listening = listen_on(network.hosts()[0], network.hosts()[0].address, "2049");
    if (can_connect(network.hosts()[1], network.hosts()[0].address, "2050")) return 3;  // nobody listens there
    return 0;
}

TEST(Network, EveryHostReachesEveryOtherOverTcp) {
    EXPECT_EQ(run_in_sandbox({}, [](Sandbox&) { return check_full_mesh("10.77.0.0/24"); }), 0);
}

TEST(Network, EveryHostReachesEveryOtherOverIpv6) {
    EXPECT_EQ(run_in_sandbox({}, [](Sandbox&) { return check_full_mesh("fd77::/64"); }), 0);
}

TEST(Network, HostsAreKnownByTheInodeOfTheirNamespace) {
    const auto check = [](Sandbox&) {
        Network network("10.77.0.0/24");
        const Host& a = network.add_host("a");
        const Host& b = network.add_host("b");
        if (a.net_ns == b.net_ns || a.net_ns == 0) return 1;
        if (network.host_of(a.net_ns) != &a || network.host_of(b.net_ns) != &b) return 2;
        return network.host_of(1) == nullptr ? 0 : 3;
    };
    EXPECT_EQ(run_in_sandbox({}, check), 0);
}

TEST(Network, ThirtyTwoHostsAreMadeAndReachEachOther) {
    const auto check = [](Sandbox&) {
        Network network("10.77.0.0/24");
        for (int i = 1; i <= 32; ++i) network.add_host("host" + std::to_string(i));
        const Host& first = network.hosts().front();
        const Fd listening = listen_on(first, first.address, "2049");
        return can_connect(network.hosts().back(), first.address, "2049") ? 0 : 1;
    };
    EXPECT_EQ(run_in_sandbox({}, check), 0);
}

LinkRule cut_of(const std::vector<IpAddress>& peers) {
    LinkRule rule;
    rule.id = 7;
    rule.peers = peers;
    return rule;
}

// Within less than the second after which the kernel asks again.
bool connects_soon(const Host& from, const Host& to) {
    const SocketAddress address = socket_address(to.address, "2049");
    const Fd client = socket_on(from, address.storage.ss_family);
    const timeval limit{0, 300'000};
    setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return connect(client.get(), address.get(), address.size) == 0;
}

int check_relay(const std::string& subnet) {
    Network network(subnet);
    const Host& server = network.add_host("server", true);
    const Host& client = network.add_host("client", true);
    const Host& other = network.add_host("other");
    const Fd listening = listen_on(server, server.address, "2049");
    if (!can_connect(client, server.address, "2049") || !can_connect(other, server.address, "2049")) return 1;
    network.add_rule("client", cut_of({ip_address(server.address)}));
    if (connects_soon(client, server)) return 2;
    if (!can_connect(other, server.address, "2049")) return 3;
    const Fd elsewhere = listen_on(other, other.address, "2049");
    if (!can_connect(client, other.address, "2049")) return 4;
    if (network.remove_rule("client", 7) == 0) return 5;
    if (!can_connect(client, server.address, "2049")) return 6;
    network.add_rule("server", cut_of({}));
    return connects_soon(other, server) ? 7 : 0;
}

TEST(Network, ARelayedHostIsCutOffFromThoseOfTheRuleAndFromNobodyElse) {
    EXPECT_EQ(run_in_sandbox({}, [](Sandbox&) { return check_relay("10.77.0.0/24"); }), 0);
}

TEST(Network, ARelayedHostIsCutOffWithIpv6AsWell) {
    EXPECT_EQ(run_in_sandbox({}, [](Sandbox&) { return check_relay("fd77::/64"); }), 0);
}

// Everything that `from` writes, up to its end.
std::size_t received(const Fd& from) {
    std::vector<char> buffer(1 << 16);
    std::size_t sum = 0;
    for (ssize_t got; (got = read(from.get(), buffer.data(), buffer.size())) > 0;) sum += static_cast<std::size_t>(got);
    return sum;
}

TEST(Network, MegabytesPassARelayThatDelaysDoublesAndReordersAndLosesSome) {
    const auto check = [](Sandbox&) {
        Network network("10.77.0.0/24", 5);
        const Host& server = network.add_host("server");
        const Host& client = network.add_host("client", true);
        std::uint64_t id = 0;
        for (const LinkRule::Kind kind :
             {LinkRule::Kind::delay, LinkRule::Kind::duplicate, LinkRule::Kind::reorder, LinkRule::Kind::loss}) {
            LinkRule rule;
            rule.id = ++id;
            rule.kind = kind;
            rule.percent = kind == LinkRule::Kind::loss ? 1 : 10;
            rule.delay = milliseconds(1);
            network.add_rule("client", rule);
        }
        const Fd listening = listen_on(server, server.address, "2049");
        const SocketAddress address = socket_address(server.address, "2049");
        Fd sender = socket_on(client, AF_INET);
        if (connect(sender.get(), address.get(), address.size) != 0) return 1;
        const Fd receiver(accept(listening.get(), nullptr, nullptr));
        constexpr std::size_t all = 4 << 20;
        std::thread sending([&sender] {
            const std::vector<char> bytes(all, 'x');
            for (std::size_t sent = 0; sent < all;)
                sent += static_cast<std::size_t>(write(sender.get(), bytes.data() + sent, all - sent));
            sender.reset();
        });
        const std::size_t got = received(receiver);
        sending.join();
        if (got != all) return 2;
        for (std::uint64_t rule = 1; rule <= id; ++rule)
            if (network.remove_rule("client", rule) == 0) return static_cast<int>(10 + rule);
        return 0;
    };
    EXPECT_EQ(run_in_sandbox({}, check), 0);
}

TEST(Network, ConnectionsAreResetWithThePeersAskedForAndBothEndsAreTold) {
    const auto check = [](Sandbox&) {
        Network network("10.77.0.0/24");
        const Host& server = network.add_host("server");
        const Host& client = network.add_host("client");
        const Fd listening = listen_on(server, server.address, "2049");
        const SocketAddress address = socket_address(server.address, "2049");
        const Fd near = socket_on(client, AF_INET);
        if (connect(near.get(), address.get(), address.size) != 0) return 1;
        const Fd far(accept(listening.get(), nullptr, nullptr));
        if (network.reset_connections(client, {ip_address("10.77.0.9")}) != 0) return 2;
        if (network.reset_connections(client, {ip_address(server.address)}) != 1) return 3;
        char byte = 0;
        if (read(near.get(), &byte, 1) != -1 || errno != ECONNABORTED) return 4;
        if (read(far.get(), &byte, 1) != -1 || errno != ECONNRESET) return 5;
        return can_connect(client, server.address, "2049") ? 0 : 6;
    };
    EXPECT_EQ(run_in_sandbox({}, check), 0);
}

TEST(Network, TwoHostsOfOneNameAreRefused) {
    const auto check = [](Sandbox&) {
        Network network("10.77.0.0/24");
        network.add_host("a");
        try {
            network.add_host("a");
        } catch (const Error& error) {
            return std::string(error.what()).find("to-a") != std::string::npos ? 0 : 1;
        }
        return 2;
    };
    EXPECT_EQ(run_in_sandbox({}, check), 0);
}

TEST(Subnet, AddressesAreCountedFromOne) {
    EXPECT_EQ(Subnet("10.77.0.0/24").address(1), "10.77.0.1");
    EXPECT_EQ(Subnet("10.77.0.0/24").address(254), "10.77.0.254");
    EXPECT_EQ(Subnet("10.77.0.0/16").address(258), "10.77.1.2");
    EXPECT_EQ(Subnet("fd77::/64").address(11), "fd77::b");
}

TEST(Subnet, TheLastAddressIsTheBroadcastAndNotAHosts) {
    EXPECT_THROW(Subnet("10.77.0.0/24").address(255), Error);
    EXPECT_THROW(Subnet("10.77.0.0/30").address(3), Error);
    EXPECT_NO_THROW(Subnet("10.77.0.0/30").address(2));
}

TEST(Subnet, WhatIsNoSubnetIsRefused) {
    for (const char* text : {"", "10.77.0.0", "10.77.0.0/", "10.77.0.0/33", "10.77.0.0/31", "10.77.0/24", "x/24",
                             "10.77.0.0/24x", "fd77::/127"})
        EXPECT_THROW(Subnet{text}, Error) << text;
}

}  // namespace
}  // namespace lockstep::harness
