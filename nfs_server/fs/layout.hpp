// The on-disk format of the file system: constants and records, exactly as they lie on the disk. FORMAT.md draws it.
// Everything is little-endian; records are copied in and out as bytes, never mapped. Layer: fs, the bottom of it.
//
//   | superblock | block bitmap | inode bitmap | orphan bitmap | inode table | replies | data blocks ...   |
//   0            1              .              .               .             .         data_start  total_blocks
//
// Block numbers are those of the transaction layer: its block 0 is the superblock, wherever the log lives.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace lockstep::server::fs {

static_assert(std::endian::native == std::endian::little, "the disk format is little-endian and is copied as it is");

constexpr std::size_t block_bytes = 4096;
constexpr std::uint64_t superblock_magic = 0x5045'5453'4b43'4f4c;  // "LOCKSTEP" as bytes on the disk
constexpr std::uint32_t format_version = 1;
// Feature bits; one that this program does not understand is refused. A file system without one is served all the same.
constexpr std::uint32_t feature_replies = 1;  // there is an area of kept replies, and a record of how the server ended
constexpr std::uint32_t feature_map_checksums = 2;  // blocks of pointers have checksums (map_node.hpp)
constexpr std::uint32_t known_features = feature_replies | feature_map_checksums;

constexpr std::uint64_t no_inode = 0;
constexpr std::uint64_t service_inode = 1;  // a regular file without a name: what the server itself remembers
constexpr std::uint64_t root_inode = 2;
constexpr std::uint64_t first_inode = 3;  // the first that an allocator may give out

constexpr std::size_t max_name_bytes = 255;
constexpr std::size_t max_symlink_bytes = 4095;
constexpr std::uint32_t max_links = 65000;

// One 64-bit word of a bitmap is the unit that a transaction locks and logs.
constexpr std::uint64_t bits_per_word = 64;
constexpr std::uint64_t words_per_block = block_bytes / 8;
constexpr std::uint64_t bits_per_block = block_bytes * 8;

enum class FileType : std::uint8_t {
    free = 0,
    regular = 1,
    directory = 2,
    block_device = 3,
    character_device = 4,
    symlink = 5,
    socket = 6,
    fifo = 7,
};

/** Written once by mkfs, never changed. `checksum` covers the bytes before it. */
struct Superblock {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t features;
    std::uint64_t file_system_id;
    std::uint64_t total_blocks;
    std::uint64_t inode_count;
    std::uint64_t block_bitmap_start;
    std::uint64_t inode_bitmap_start;
    std::uint64_t orphan_bitmap_start;
    std::uint64_t inode_table_start;
    std::uint64_t data_start;
    std::uint64_t created_ns;
    std::uint32_t name_hash_bits;             // 1 to 55: how much of a name's hash orders its directory entry
    std::uint32_t reply_blocks;               // of the area of kept replies; 0 without feature_replies
    std::array<std::uint8_t, 16> handle_key;  // of the MAC in file handles
    std::array<std::uint8_t, 16> name_key;    // of the hash that orders directory entries
    std::uint32_t reserved_too;
    std::uint32_t checksum;
};
static_assert(sizeof(Superblock) == 136 && std::is_trivially_copyable_v<Superblock>);

/** Beside the superblock, at end_record_offset of its block: how the server last ended. Zeros: it was killed, or runs.
 */
struct EndRecord {
    std::uint32_t checksum;  // CRC-32C of the record with this field zero
    std::uint32_t reserved;
    std::uint64_t write_verifier;  // of a server that stopped with everything durable: the next one may keep it
};
static_assert(sizeof(EndRecord) == 16 && std::is_trivially_copyable_v<EndRecord>);
constexpr std::uint32_t end_record_offset = 512;

constexpr std::size_t reply_slot_bytes = 512;
constexpr std::uint64_t reply_slots_per_block = block_bytes / reply_slot_bytes;

/** The head of a kept reply; `size` bytes of the reply follow. A slot of zeros was never used. */
struct ReplyRecord {
    std::uint32_t checksum;  // CRC-32C of this head, with this field zero, and of the reply
    std::uint16_t size;
    std::uint16_t reserved;
    std::uint64_t serial;       // from 1, grows from call to call: of two records of one call the later counts
    std::uint64_t fingerprint;  // a hash of the call, its number left out
    std::uint32_t xid;
    std::uint32_t procedure;
    std::array<std::uint8_t, 16> client;  // IPv6, or IPv4 as ::ffff:a.b.c.d
};
static_assert(sizeof(ReplyRecord) == 48 && std::is_trivially_copyable_v<ReplyRecord>);
constexpr std::size_t max_reply_bytes = reply_slot_bytes - sizeof(ReplyRecord);

constexpr std::size_t inode_bytes = 256;
constexpr std::size_t inodes_per_block = block_bytes / inode_bytes;
constexpr std::size_t payload_bytes = 128;
constexpr std::size_t payload_slots = payload_bytes / 8;
constexpr std::size_t pointers_per_block = block_bytes / 8;

/** `payload` holds the file's bytes themselves, not block pointers. */
constexpr std::uint8_t inode_flag_inline = 1;
/** Blocks past the end of the file are still mapped; the inode's orphan bit is set and the reaper frees them. */
constexpr std::uint8_t inode_flag_shrinking = 2;

/** One inode. A free one has type `free`, its last generation, and zeros. Times are ns since 1970. */
struct InodeRecord {
    FileType type;
    std::uint8_t flags;
    std::uint8_t height;  // of the block map, or of the directory's tree
    std::uint8_t reserved_byte;
    std::uint16_t mode;  // the 12 permission bits
    std::uint16_t reserved_short;
    std::uint32_t nlink;
    std::uint32_t uid;
    std::uint32_t gid;
    std::uint32_t rdev_major;
    std::uint32_t rdev_minor;
    std::uint32_t reserved_word;
    std::uint64_t generation;  // grows with every use of this number: a handle of an earlier use is stale
    std::uint64_t size;        // bytes; of a directory: its tree's blocks in bytes
    std::uint64_t blocks;      // allocated to this inode: data, map and tree nodes
    std::uint64_t parent;      // directories: the directory that holds it (root: itself)
    std::uint64_t entries;     // directories: names in it, without . and ..
    std::uint64_t atime_ns;
    std::uint64_t mtime_ns;
    std::uint64_t ctime_ns;
    std::uint64_t create_verifier;  // of an EXCLUSIVE create, which must be repeatable
    std::array<std::uint8_t, 16> reserved;
    std::uint32_t reserved_last;
    std::uint32_t checksum;  // CRC-32C of the record with this field zero
    std::array<std::uint8_t, payload_bytes> payload;
};
static_assert(sizeof(InodeRecord) == inode_bytes && std::is_trivially_copyable_v<InodeRecord>);
static_assert(offsetof(InodeRecord, payload) == inode_bytes - payload_bytes);

// A block map of height h: each of the 16 pointers in the inode covers 512^h blocks; 0 is a hole.
constexpr unsigned max_map_height = 4;
constexpr std::uint64_t max_file_blocks = payload_slots << (9 * max_map_height);
constexpr std::uint64_t max_file_bytes = max_file_blocks * block_bytes;  // 2^52

constexpr std::uint16_t node_magic = 0xd13e;

/** The head of a block of a directory's B+tree. */
struct NodeHeader {
    std::uint32_t checksum;  // CRC-32C of the block with this field zero
    std::uint16_t magic;
    std::uint8_t level;  // 0: a leaf
    std::uint8_t reserved;
    std::uint16_t count;       // entries
    std::uint16_t heap_start;  // leaves: where the lowest record begins
    std::uint16_t dead_bytes;  // leaves: bytes of erased records within the heap
    std::uint16_t reserved_too;
    std::uint64_t owner;  // the directory's inode
};
static_assert(sizeof(NodeHeader) == 24);

}  // namespace lockstep::server::fs
