// The sizes that FSINFO tells and the procedures keep to. Layer: ops.
#pragma once

#include <cstdint>

namespace lockstep::server::ops {

constexpr std::uint32_t max_read_bytes = 1 << 20;
constexpr std::uint32_t max_directory_reply_bytes = 64 * 1024;
constexpr std::uint32_t preferred_directory_reply_bytes = 32 * 1024;

}  // namespace lockstep::server::ops
