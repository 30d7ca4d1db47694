#include "nfs_server/fs/volume.hpp"

#include "nfs_server/base/check.hpp"

namespace lockstep::server::fs {

Volume::Volume(const Superblock& sb)
    : superblock(sb),
      handles(sb.file_system_id, sb.handle_key),
      free_blocks(0, sb.total_blocks - sb.data_start),
      free_inodes(first_inode, sb.inode_count) {}

std::uint64_t Volume::bitmap_start(Bitmap bitmap) const {
    switch (bitmap) {
        case Bitmap::blocks:
            return superblock.block_bitmap_start;
        case Bitmap::inodes:
            return superblock.inode_bitmap_start;
        case Bitmap::orphans:
            return superblock.orphan_bitmap_start;
    }
    panic("a bitmap that does not exist");
}

txn::LockAddress Volume::word_lock(Bitmap bitmap, std::uint64_t bit) {
    const std::uint64_t first_bit = bit / bits_per_word * bits_per_word;
    switch (bitmap) {
        case Bitmap::blocks:
            return txn::LockAddress::block_bit(first_bit);
        case Bitmap::inodes:
            return txn::LockAddress::inode_bit(first_bit);
        case Bitmap::orphans:
            return {txn::LockKind::orphan_list, first_bit};
    }
    panic("a bitmap that does not exist");
}

}  // namespace lockstep::server::fs
