#include "nfs_server/fs/map_node.hpp"

#include <cstring>

#include "nfs_server/fs/checksum.hpp"

namespace lockstep::server::fs {
namespace {

constexpr unsigned pointer_bits = 48;
constexpr std::uint64_t pointer_mask = (std::uint64_t{1} << pointer_bits) - 1;
constexpr std::uint64_t half_mask = 0xffff;
constexpr unsigned half_bits = 16;
static_assert(half_bits + pointer_bits == 64);

std::uint32_t checksum_of(const Pointers& pointers, std::uint64_t owner) {
    return crc32c(std::as_bytes(std::span(pointers)), crc32c(std::as_bytes(std::span(&owner, 1))));
}

}  // namespace

Pointers pointers_of(std::span<const std::byte> block) {
    Pointers pointers;
    std::memcpy(pointers.data(), block.data(), block_bytes);
    for (std::size_t word = 0; word < map_checksum_words; ++word) pointers[word] &= pointer_mask;
    return pointers;
}

bool is_sound_map_node(std::span<const std::byte> block, std::uint64_t owner) {
    std::array<std::uint64_t, map_checksum_words> stored;
    std::memcpy(stored.data(), block.data(), sizeof stored);
    const std::uint64_t checksum = stored[0] >> pointer_bits | stored[1] >> pointer_bits << half_bits;
    return checksum == checksum_of(pointers_of(block), owner);
}

Pointers sealed(const Pointers& pointers, std::uint64_t owner) {
    Pointers stored = pointers;
    const std::uint64_t checksum = checksum_of(pointers, owner);
    stored[0] |= (checksum & half_mask) << pointer_bits;
    stored[1] |= checksum >> half_bits << pointer_bits;
    return stored;
}

}  // namespace lockstep::server::fs
