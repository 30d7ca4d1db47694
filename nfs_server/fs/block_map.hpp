// Which disk block holds which block of a file: a radix tree that grows by its root, so that small files need no map
// blocks at all and a file of 2^52 bytes needs four levels.
//
//   height 0:  inode.payload[16] ──► data                           64 KiB
//   height 1:  inode.payload[16] ──► [512 pointers] ──► data        32 MiB
//   height h:  each of the 16 pointers covers 512^h blocks          ... 4: 2^52 bytes
//
// A pointer 0 is a hole: nothing is stored below it. Not for inline files. Layer: fs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nfs_server/fs/operation.hpp"

namespace lockstep::server::fs {

/// A block of a file and whether map_blocks() has just allocated it (its content is undefined then).
struct MappedBlock {
    std::uint64_t block = 0;
    bool fresh = false;
};

/// Finds the blocks of the file from `first` on; 0 for a hole. Errors: io, corrupt.
Outcome<void> find_blocks(Operation& op, const Inode& inode, std::uint64_t first, std::span<std::uint64_t> out);

/// The same, and allocates what is missing. The caller holds the inode exclusively and has checked the range against
/// max_file_blocks. Errors: no_space, io, corrupt.
Outcome<void> map_blocks(Operation& op, Inode& inode, std::uint64_t first, std::span<MappedBlock> out);

/// Frees mapped blocks from the end of the file down to block `first`, as long as `budget` lasts; each freed block
/// takes one from it. True when nothing at or above `first` is mapped any more. Errors: io, corrupt.
Outcome<bool> unmap_blocks(Operation& op, Inode& inode, std::uint64_t first, std::uint64_t& budget);

}  // namespace lockstep::server::fs
