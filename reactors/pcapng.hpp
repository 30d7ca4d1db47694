// Packets as a pcapng file, which Wireshark and tshark read.
//
//   Section Header (comment: what was violated) | Interface Description | Enhanced Packet* | Interface Statistics
//
// One interface, LINUX_SLL2: packets of all devices of a network namespace, each with the number of its device; time in
// nanoseconds since 1970. Source: draft-ietf-opsawg-pcapng; the LINKTYPE_LINUX_SLL2 page of tcpdump.org.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace lockstep::reactors {

struct Packet {
    std::uint64_t time_ns = 0;        // since 1970
    std::uint32_t length = 0;         // on the wire; `bytes` may have less
    std::vector<std::uint8_t> bytes;  // a 20-byte LINUX_SLL2 header, then from the network layer on
};

// What pcapng calls interface statistics.
struct PacketCounts {
    std::uint64_t received = 0;
    std::uint64_t dropped = 0;  // by the kernel: the reader was too slow
};

// The 20 bytes before a packet. `protocol`, `device`, `device_type`, `direction`, `address`: of its sockaddr_ll, the
// protocol in network order as it is there.
std::array<std::uint8_t, 20> sll2_header(std::uint16_t protocol, int device, std::uint16_t device_type,
                                         std::uint8_t direction, std::uint8_t address_length,
                                         const std::uint8_t* address);

// The whole file. `moment_ns` (since 1970): the last packet before it gets `moment_comment` as its comment.
std::string to_pcapng(const std::vector<Packet>& packets, const PacketCounts& counts, const std::string& comment,
                      std::uint64_t moment_ns, const std::string& moment_comment);

}  // namespace lockstep::reactors
