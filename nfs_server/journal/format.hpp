// What the journal writes to disk: the log superblock, groups, records, entries. Drawn in FORMAT.md; keep both in step.
// All integers are little-endian; structures are copied as they lie in memory.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "nfs_server/base/result.hpp"
#include "nfs_server/disk/block_buffer.hpp"
#include "nfs_server/disk/storage_error.hpp"

namespace lockstep::server::journal {

static_assert(std::endian::native == std::endian::little, "the disk format is little-endian");

inline constexpr uint64_t superblock_magic = 0x504554534b434f4c;  // "LOCKSTEP"
inline constexpr uint64_t group_magic = 0x3150554f5247534c;       // "LSGROUP1"
/// What new disks get. Version 1 is served, too: it has no settled_sequence, so nothing is written home ahead of it.
inline constexpr uint32_t format_version = 2;
inline constexpr uint32_t format_version_without_homes = 1;
/// Features that a program must know to read the log. None exists yet.
inline constexpr uint64_t known_features = 0;
/// The superblock has two slots, blocks 0 and 1, written in turn, so that one is always whole.
inline constexpr uint64_t superblock_slots = 2;
/// The smallest log that makes sense, in blocks.
inline constexpr uint64_t log_blocks_minimum = 8;

/// Where things lie and where the log begins. Its slot is generation % 2.
struct LogSuperblock {
    uint64_t magic = superblock_magic;
    uint32_t version = format_version;
    uint32_t reserved = 0;
    uint64_t features = 0;       ///< bits; an unknown one makes the log unreadable
    uint64_t log_id = 0;         ///< drawn at formatting; groups of another log are not ours
    uint64_t generation = 0;     ///< grows with every write of a superblock
    uint64_t log_start = 0;      ///< first block of the log
    uint64_t log_blocks = 0;     ///< room of the log
    uint64_t data_start = 0;     ///< disk block of data block 0
    uint64_t data_blocks = 0;    ///< blocks that the layers above address
    uint64_t tail_position = 0;  ///< where the first group that is not installed lies, counted without wrapping
    uint64_t tail_sequence = 1;  ///< the sequence of that group's first record
    uint64_t tail_checksum = 0;  ///< the checksum of the group before it
    /// Groups up to this one's record were durable when this was written: blocks that they placed at home are not
    /// compared with their hashes any more, since the homes may have changed later. Not in version 1.
    uint64_t settled_sequence = 0;
    uint64_t checksum = 0;  ///< over all before; last. In version 1 in settled_sequence's place
};
static_assert(sizeof(LogSuperblock) == 112 && std::is_trivially_copyable_v<LogSuperblock>);

/// The head of a group: records that became durable with one barrier. Followed by its records; then, from the next
/// block on, by the content of the blocks that its entries replace.
struct GroupHeader {
    uint64_t magic = group_magic;
    uint64_t log_id = 0;
    uint64_t incarnation = 0;        ///< drawn at every start: two lives never write the same group
    uint64_t position = 0;           ///< of this group, counted without wrapping: an earlier lap's has another
    uint64_t previous_checksum = 0;  ///< of the group before: a group is valid only after the one it was written after
    uint64_t first_sequence = 0;
    uint32_t records_count = 0;
    uint32_t head_bytes = 0;   ///< this header and the records
    uint32_t data_blocks = 0;  ///< blocks behind the head, whose hashes are in the entries
    uint32_t reserved = 0;
    uint64_t checksum = 0;  ///< over head_bytes with this field 0
};
static_assert(sizeof(GroupHeader) == 72 && std::is_trivially_copyable_v<GroupHeader>);

/// One transaction.
struct RecordHeader {
    uint32_t size_bytes = 0;  ///< with this header and all entries; a multiple of 8
    uint32_t entries_count = 0;
    uint64_t sequence = 0;
    uint64_t txn_id = 0;
};
static_assert(sizeof(RecordHeader) == 24 && std::is_trivially_copyable_v<RecordHeader>);

enum class EntryKind : uint8_t {
    bytes = 1,  ///< bytes [offset, offset + size) of the block; they follow, padded to a multiple of 8
    bit = 2,    ///< bit `offset` of the block becomes `size` (0 or 1)
    block = 3,  ///< the whole block; 8 bytes follow, the hash of the content, which lies in the group's data blocks
    home = 4,   ///< `size` whole blocks from `block` on; as many hashes follow, 8 bytes each, of what lies at home
};

/// One change of one block.
struct EntryHeader {
    uint64_t block = 0;  ///< data block
    uint16_t offset = 0;
    uint16_t size = 0;
    EntryKind kind = EntryKind::bytes;
    std::array<uint8_t, 3> reserved{};
};
static_assert(sizeof(EntryHeader) == 16 && std::is_trivially_copyable_v<EntryHeader>);

constexpr uint64_t round_up_8(uint64_t bytes) {
    return (bytes + 7) & ~uint64_t{7};
}
constexpr uint64_t blocks_of_bytes(uint64_t bytes) {
    return (bytes + block_size_bytes - 1) / block_size_bytes;
}

/// The hash that guards whole blocks, heads and superblocks (XXH3, 64 bits): against tearing and rot, not against
/// malice.
uint64_t hash_of(std::span<const std::byte> bytes);
/// The same, of a block's content; taken once, and remembered with it until it changes.
uint64_t hash_of(const BlockBuffer& block);
/// The same, of the first `size_bytes` bytes that lie in `blocks` one after the other.
uint64_t hash_of(std::span<const BlockBuffer> blocks, uint64_t size_bytes);

/// The superblock as a block, its checksum filled in.
BlockBuffer encode(const LogSuperblock& superblock);

/// Reads a superblock's block. Errors: blank (all zero), unknown_format, corrupt.
Result<LogSuperblock, StorageError> decode_superblock(std::span<const std::byte> block);

/// Copies a structure out of the front of `bytes` and moves `bytes` behind it; false when it is too short.
template <class Struct>
bool take(std::span<const std::byte>& bytes, Struct& out) {
    static_assert(std::is_trivially_copyable_v<Struct>);
    if (bytes.size() < sizeof(Struct)) return false;
    std::memcpy(&out, bytes.data(), sizeof(Struct));
    bytes = bytes.subspan(sizeof(Struct));
    return true;
}

}  // namespace lockstep::server::journal
