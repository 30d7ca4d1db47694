// A mounted file system's parts in memory: its superblock and the allocators. What Operation works on. Layer: fs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "nfs_server/fs/bit_allocator.hpp"
#include "nfs_server/fs/file_handle.hpp"
#include "nfs_server/fs/layout.hpp"
#include "nfs_server/txn/lock_address.hpp"

namespace lockstep::server::fs {

/// The three bitmaps. In ascending order of their locks.
enum class Bitmap : std::uint8_t { blocks, inodes, orphans };

/// Immutable but for the allocators and the mark of damage, which are safe by themselves: any thread.
struct Volume {
    explicit Volume(const Superblock& superblock);

    Superblock superblock;
    HandleCodec handles;
    BitAllocator free_blocks;  // bit n: block data_start + n
    BitAllocator free_inodes;  // bit n: inode n
    /// Set once, when the disk was found to contradict its format: nothing is changed from then on.
    std::atomic<bool> is_damaged{false};
    /// Called after a commit that left work for the reaper.
    std::function<void(std::uint64_t inode)> orphan_made;

    /// Where inode `number` lies.
    std::uint64_t inode_block(std::uint64_t number) const {
        return superblock.inode_table_start + number / inodes_per_block;
    }
    static std::uint32_t inode_offset(std::uint64_t number) {
        return static_cast<std::uint32_t>(number % inodes_per_block * inode_bytes);
    }
    bool is_inode_number(std::uint64_t number) const { return number >= root_inode && number < superblock.inode_count; }
    bool is_data_block(std::uint64_t block) const {
        return block >= superblock.data_start && block < superblock.total_blocks;
    }
    std::uint64_t bitmap_start(Bitmap bitmap) const;
    /// How many replies the area of kept replies holds; 0 where there is none.
    std::uint64_t reply_slots() const { return superblock.reply_blocks * reply_slots_per_block; }
    std::uint64_t reply_block(std::uint64_t slot) const {
        return superblock.data_start - superblock.reply_blocks + slot / reply_slots_per_block;
    }
    static std::uint32_t reply_offset(std::uint64_t slot) {
        return static_cast<std::uint32_t>(slot % reply_slots_per_block * reply_slot_bytes);
    }
    /// The lock of the 64-bit word that holds `bit`, named by the word's first bit.
    static txn::LockAddress word_lock(Bitmap bitmap, std::uint64_t bit);
};

}  // namespace lockstep::server::fs
