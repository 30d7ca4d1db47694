// The protocol's 8-byte verifiers as numbers. Layer: ops.
#pragma once

#include <cstdint>
#include <cstring>

namespace lockstep::server::ops {

inline void set_verifier(char (&verifier)[8], std::uint64_t value) {
    std::memcpy(verifier, &value, sizeof value);
}

inline std::uint64_t get_verifier(const char (&verifier)[8]) {
    std::uint64_t value;
    std::memcpy(&value, verifier, sizeof value);
    return value;
}

}  // namespace lockstep::server::ops
