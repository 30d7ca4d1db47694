// Units of time. Layer: rpc.
#pragma once

#include <cstdint>

namespace lockstep::server::rpc {

inline constexpr std::int64_t ns_per_us = 1'000;
inline constexpr std::int64_t ns_per_ms = 1'000'000;

}  // namespace lockstep::server::rpc
