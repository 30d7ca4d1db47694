// The sizes that FSINFO tells and the procedures keep to. Layer: ops.
#pragma once

#include <cstdint>

namespace lockstep::server::ops {

constexpr std::uint32_t max_read_bytes = 1 << 20;
constexpr std::uint32_t max_directory_reply_bytes = 64 * 1024;
constexpr std::uint32_t preferred_directory_reply_bytes = 32 * 1024;
/// Of data or entries in one reply over UDP, and of data in one WRITE: with all that stands beside it, it must fit into
/// a datagram of 65507 bytes, or it would never arrive, however often the client asks. What Linux' server takes, too.
constexpr std::uint32_t max_datagram_payload_bytes = 32 * 1024;

}  // namespace lockstep::server::ops
