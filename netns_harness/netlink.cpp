#include "netns_harness/netlink.hpp"

#include <linux/if_addr.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/socket.h>

namespace lockstep::harness {
namespace {

// Frees what libnl hands out.
struct Put {
    void operator()(rtnl_link* link) const { rtnl_link_put(link); }
    void operator()(rtnl_addr* address) const { rtnl_addr_put(address); }
    void operator()(nl_addr* address) const { nl_addr_put(address); }
};
using Link = std::unique_ptr<rtnl_link, Put>;
using InterfaceAddress = std::unique_ptr<rtnl_addr, Put>;
using Address = std::unique_ptr<nl_addr, Put>;

void check(int result, const std::string& what) {
    if (result < 0) throw Error(what + ": " + nl_geterror(result));
}

template <class T>
T allocated(T object) {
    if (!object) throw Error("netlink: out of memory");
    return object;
}

}  // namespace

void Netlink::CloseSocket::operator()(nl_sock* socket) const {
    nl_socket_free(socket);
}

Netlink::Netlink() : socket_(nl_socket_alloc()) {
    if (!socket_) throw Error("netlink: out of memory");
    check(nl_connect(socket_.get(), NETLINK_ROUTE), "cannot connect to netlink");
}

int Netlink::index_of(const std::string& device) {
    rtnl_link* found = nullptr;
    check(rtnl_link_get_kernel(socket_.get(), 0, device.c_str(), &found), "cannot find network device " + device);
    return rtnl_link_get_ifindex(Link(found).get());
}

void Netlink::set_up(const std::string& device) {
    const Link which = allocated(Link(rtnl_link_alloc()));
    const Link change = allocated(Link(rtnl_link_alloc()));
    rtnl_link_set_ifindex(which.get(), index_of(device));
    rtnl_link_set_flags(change.get(), IFF_UP);
    check(rtnl_link_change(socket_.get(), which.get(), change.get(), 0), "cannot set up network device " + device);
}

void Netlink::add_bridge(const std::string& device) {
    const Link bridge = allocated(Link(rtnl_link_alloc()));
    check(rtnl_link_set_type(bridge.get(), "bridge"), "cannot make bridge " + device);
    rtnl_link_set_name(bridge.get(), device.c_str());
    rtnl_link_set_flags(bridge.get(), IFF_UP);
    check(rtnl_link_add(socket_.get(), bridge.get(), NLM_F_CREATE | NLM_F_EXCL), "cannot make bridge " + device);
}

void Netlink::add_veth_to(const std::string& bridge, const std::string& device, const std::string& peer,
                          const Fd& peer_namespace) {
    const Link near = allocated(Link(rtnl_link_veth_alloc()));
    rtnl_link_set_name(near.get(), device.c_str());
    if (!bridge.empty()) rtnl_link_set_master(near.get(), index_of(bridge));
    rtnl_link_set_flags(near.get(), IFF_UP);
    const Link far = allocated(Link(rtnl_link_veth_get_peer(near.get())));
    rtnl_link_set_name(far.get(), peer.c_str());
    rtnl_link_set_ns_fd(far.get(), peer_namespace.get());
    check(rtnl_link_add(socket_.get(), near.get(), NLM_F_CREATE | NLM_F_EXCL), "cannot make veth link " + device);
}

void Netlink::add_address(const std::string& device, const std::string& address) {
    nl_addr* parsed = nullptr;
    check(nl_addr_parse(address.c_str(), AF_UNSPEC, &parsed), "not an address: " + address);
    const Address local(parsed);
    const InterfaceAddress added = allocated(InterfaceAddress(rtnl_addr_alloc()));
    rtnl_addr_set_ifindex(added.get(), index_of(device));
    check(rtnl_addr_set_local(added.get(), local.get()), "not an address: " + address);
    if (nl_addr_get_family(local.get()) == AF_INET6) rtnl_addr_set_flags(added.get(), IFA_F_NODAD);  // usable at once
    check(rtnl_addr_add(socket_.get(), added.get(), 0), "cannot give address " + address + " to " + device);
}

}  // namespace lockstep::harness
