#include "nfs_server/journal/format.hpp"

#define XXH_STATIC_LINKING_ONLY  // the hash's state on the stack
#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>  // the same hash, with the widest instructions that this processor has
#endif

#include <algorithm>

namespace lockstep::server::journal {
namespace {

using SuperblockBytes = std::array<std::byte, sizeof(LogSuperblock)>;

// Where the checksum lies, behind all that it covers.
size_t checksum_offset(uint32_t version) {
    return version == format_version_without_homes ? offsetof(LogSuperblock, settled_sequence)
                                                   : offsetof(LogSuperblock, checksum);
}

// The superblock as it lies on the disk, the checksum in its version's place.
SuperblockBytes with_checksum(const LogSuperblock& superblock) {
    const size_t offset = checksum_offset(superblock.version);
    SuperblockBytes bytes{};
    std::memcpy(bytes.data(), &superblock, offset);
    const uint64_t checksum = hash_of(std::span(bytes).first(offset + sizeof(uint64_t)));
    std::memcpy(bytes.data() + offset, &checksum, sizeof(checksum));
    return bytes;
}

// The layout must lie within the disk's blocks in the one order that there is; sizes are checked against the disk
// later.
bool plausible(const LogSuperblock& superblock) {
    return superblock.log_start == superblock_slots && superblock.log_blocks >= log_blocks_minimum &&
           superblock.log_blocks < (uint64_t{1} << 40) &&
           superblock.data_start == superblock.log_start + superblock.log_blocks && superblock.data_blocks > 0 &&
           superblock.data_blocks < (uint64_t{1} << 52) && superblock.tail_sequence > 0;
}

}  // namespace

uint64_t hash_of(std::span<const std::byte> bytes) {
    return XXH3_64bits(bytes.data(), bytes.size());
}

uint64_t hash_of(const BlockBuffer& block) {
    if (const uint64_t known = block.known_hash(); known != 0) return known;
    const uint64_t hash = hash_of(block.span());
    block.remember_hash(hash);
    return hash;
}

uint64_t hash_of(std::span<const BlockBuffer> blocks, uint64_t size_bytes) {
    if (size_bytes <= block_size_bytes) return hash_of(blocks.front().span().first(size_bytes));
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    for (const BlockBuffer& block : blocks) {
        const uint64_t part = std::min<uint64_t>(size_bytes, block_size_bytes);
        XXH3_64bits_update(&state, block.data(), part);
        size_bytes -= part;
    }
    return XXH3_64bits_digest(&state);
}

BlockBuffer encode(const LogSuperblock& superblock) {
    return BlockBuffer::copy_of(with_checksum(superblock));
}

Result<LogSuperblock, StorageError> decode_superblock(std::span<const std::byte> block) {
    if (std::ranges::all_of(block, [](std::byte byte) { return byte == std::byte{0}; }))
        return fail(StorageError::blank);
    const std::span<const std::byte> stored = block;
    LogSuperblock superblock;
    if (!take(block, superblock) || superblock.magic != superblock_magic) return fail(StorageError::corrupt);
    // The version comes before the checksum: another version may keep its checksum elsewhere.
    if (superblock.version != format_version && superblock.version != format_version_without_homes)
        return fail(StorageError::unknown_format);
    const size_t size = checksum_offset(superblock.version) + sizeof(uint64_t);
    if (std::memcmp(stored.data(), with_checksum(superblock).data(), size) != 0) return fail(StorageError::corrupt);
    if (superblock.version == format_version_without_homes) superblock.settled_sequence = superblock.checksum = 0;
    if ((superblock.features & ~known_features) != 0) return fail(StorageError::unknown_format);
    if (!plausible(superblock)) return fail(StorageError::corrupt);
    return superblock;
}

}  // namespace lockstep::server::journal
