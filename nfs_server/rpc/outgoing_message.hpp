// What the server's own calls look like on the wire, and what comes back: pure functions over bytes that clients chose.
// Rpc layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "nfs_server/rpc/peer_address.hpp"

namespace lockstep::server::rpc {

using Bytes = std::vector<std::byte>;

inline constexpr size_t max_reply_bytes = 8192;

enum class Transport : uint8_t { udp, tcp };

struct CallTarget {
    uint32_t program;
    uint32_t version;
    uint32_t procedure;
};

// A call without credentials. args: XDR.
Bytes call_message(uint32_t xid, const CallTarget& target, std::span<const std::byte> args);

// The question to the host's portmapper for the port where the program listens: GETPORT, or GETADDR for IPv6.
Bytes lookup_message(uint32_t xid, const PeerAddress& host, const CallTarget& target, Transport transport);

// The answer to that question; 0: it is not registered, or this is no answer. `results` may be changed.
uint16_t port_in(const PeerAddress& host, std::span<std::byte> results);

struct Reply {
    uint32_t xid;
    uint32_t status;  // 0: the results follow; UINT32_MAX: the call was denied
    Bytes results;    // XDR
};

// Nothing: it is no reply. `message` may be changed.
std::optional<Reply> parse_reply(std::span<std::byte> message);

// A message with its record mark, for TCP.
Bytes marked(const Bytes& message);

// The first record of a stream, put together of its fragments (RFC 5531 section 11).
struct TakenRecord {
    enum class Kind { whole, incomplete, too_long };
    Kind kind;
    Bytes record;
};
TakenRecord take_record(std::span<const std::byte> stream);

}  // namespace lockstep::server::rpc
