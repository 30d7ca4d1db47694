// The bytes of regular files and symbolic links. Up to 128 bytes lie in the inode itself; beyond that, in blocks.
//
// Two invariants keep holes and ends of files zero without ever writing zeros ahead:
//   - bytes past the end of the file in its last block, or in the inode's payload, are zero;
//   - no block past the end is mapped, unless the inode is `shrinking`; then the file must not grow until the reaper
//   has
//     freed them (must_shrink_first).
// Layer: fs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nfs_server/fs/operation.hpp"

namespace lockstep::server::fs {

/// Copies bytes [offset, offset + out.size()) into `out`, as far as the file reaches. Returns how many there were.
/// The caller holds the inode at least shared. Errors: io, corrupt.
Outcome<std::uint64_t> read_bytes(Operation& op, const Inode& inode, std::uint64_t offset, std::span<std::byte> out);

/// Bytes for a place in a file, what takes long about them done: whole blocks lie in buffers that the transaction, the
/// log and the cache keep, and are hashed. To be made before locks are taken.
class WriteData {
 public:
    /// Bytes that are to lie at `offset`. They must outlive this.
    WriteData(std::uint64_t offset, std::span<const std::byte> bytes);
    /// The same, of `size` bytes that lie in blocks as they will in the file's: nothing is copied. Whatever else is in
    /// the blocks is not written. Nobody may change them any more.
    WriteData(std::uint64_t offset, std::uint64_t size, std::span<const BlockBuffer> blocks);

    std::uint64_t offset() const { return offset_; }
    std::uint64_t size() const { return size_; }
    std::uint64_t end() const { return offset_ + size_; }

    /// The file's blocks that the bytes lie in, from the first on.
    std::uint64_t first_block() const { return offset_ / block_bytes; }
    std::size_t blocks_count() const { return blocks_.size(); }
    /// What lies in the block at `index` of them: where in it that begins, and the bytes.
    struct Part {
        std::uint32_t within;
        std::span<const std::byte> bytes;
    };
    Part part(std::size_t index) const;
    /// The content of a block all of which is written; nullptr for others.
    const BlockBuffer* whole(std::size_t index) const;

 private:
    bool fits() const;

    std::uint64_t offset_;
    std::uint64_t size_;
    std::span<const std::byte> bytes_;  // of what does not lie in blocks_
    std::vector<BlockBuffer> blocks_;
};

/// Writes the data, growing the file when they end past its end. Changes neither mode nor times.
/// The caller holds the inode exclusively. Errors: file_too_big, no_space, shrinking, io, corrupt.
Outcome<void> write_data(Operation& op, Inode& inode, const WriteData& data);
/// The same, for bytes that are few.
Outcome<void> write_bytes(Operation& op, Inode& inode, std::uint64_t offset, std::span<const std::byte> bytes);

/// Cuts the file off at `size` or extends it by a hole. A large tail is cut off at once and freed later: the inode is
/// then `shrinking` and marked for the reaper. Changes neither mode nor times. The caller holds the inode exclusively.
/// Errors: file_too_big, no_space, shrinking, io, corrupt.
Outcome<void> set_size(Operation& op, Inode& inode, std::uint64_t size);

/// One step of freeing what lies past the end. True when nothing is left. Errors: io, corrupt.
Outcome<bool> free_tail(Operation& op, Inode& inode);

/// How many blocks one transaction frees at most: bounds its size and the time that it holds its locks.
constexpr std::uint64_t unmap_budget_blocks = 1024;

}  // namespace lockstep::server::fs
