// A block of a file's map: 512 pointers, and a checksum in the bits that no block number needs. Layer: fs.
//
//   word 0   | CRC-32C, low half  | pointer 0 (48 bits)  |
//   word 1   | CRC-32C, high half | pointer 1            |
//   word 2   | 0                  | pointer 2            |   ... word 511
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "nfs_server/fs/layout.hpp"

namespace lockstep::server::fs {

using Pointers = std::array<std::uint64_t, pointers_per_block>;

/// The pointers of a block of 4096 bytes, whether it is sound or not.
Pointers pointers_of(std::span<const std::byte> block);

/// True when the block holds what sealed() gave for the same owner.
bool is_sound_map_node(std::span<const std::byte> block, std::uint64_t owner);

/// The pointers as they are stored, with their checksum. Only pointers below 2^48 can be. The checksum is of the
/// pointers and of the inode that they belong to, so that one file's map is not taken for another's.
Pointers sealed(const Pointers& pointers, std::uint64_t owner);

/// Words that hold the checksum, from the first on.
constexpr std::size_t map_checksum_words = 2;

}  // namespace lockstep::server::fs
