// CRC-32C (Castagnoli), the checksum of inodes and directory nodes. Layer: fs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace lockstep::server::fs {

/// CRC-32C of `bytes`, continuing from `seed` (0 to begin). Uses the processor's instruction where there is one.
/// Source: RFC 3720 appendix B.4 (the polynomial and its test vectors).
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed = 0);

}  // namespace lockstep::server::fs
