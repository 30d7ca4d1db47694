// A relay in the links of some hosts: every frame between the host and the bridge passes through it, and the network
// faults in force decide what becomes of it. So the harness needs nothing of the kernel's traffic control, of which
// many kernels have little (no netem).
//
//     eth0 (host) ── to-HOST ══ relay ══ up-HOST ── br-HOST (port of the bridge)
//
// It reads and writes both devices with packet sockets, whole frames with their offload headers (PACKET_VNET_HDR), so
// that checksums and segmentation stay as they are.
#pragma once

#include <memory>
#include <string>

#include "netns_harness/link_rules.hpp"

namespace lockstep::harness {

// One thread of its own moves the frames; the methods may be called from any one thread.
class Relay {
 public:
    explicit Relay(std::uint64_t seed);
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    // Moves frames between the two devices, of the calling thread's network namespace, from now on. `host`: for rules.
    // Throws Error.
    void join(const std::string& host, const std::string& host_side, const std::string& bridge_side);

    void add_rule(const std::string& host, const LinkRule& rule);
    // Returns how many packets the rule did something to.
    std::uint64_t remove_rule(const std::string& host, std::uint64_t id);

 private:
    struct Moving;
    std::unique_ptr<Moving> moving_;
};

}  // namespace lockstep::harness
