// The checker: every invariant of the format, read-only. It shares the format's records and parsers with the file
// system, but none of its algorithms. For a disk at rest: after recovery, with no operation under way. Layer: fs.
//
// It holds, of every disk that it calls sound:
//   superblock   magic, version, features, checksum, geometry.
//   inodes       checksum, type, flags and height sound; in use exactly when the inode bitmap says so; a free one is
//   empty. links        nlink is the number of names (of a directory: 2 and its subdirectories); every name leads to an
//   inode in
//                use; a directory has one name, its `parent` is where that is, and the root reaches it.
//   directories  nodes sound, at the right level, in key order and within their parents' bounds; each key is its
//   name's;
//                names legal and unique; `entries` and `size` as counted.
//   data         pointers within the disk; no block has two owners; `blocks` as counted; nothing is mapped past the end
//                and bytes past the end are zero, unless the inode is shrinking.
//   bitmaps      a block is marked exactly when somebody owns it; an inode is marked an orphan exactly when it is
//   shrinking;
//                one without a name is an orphan.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "nfs_server/base/result.hpp"
#include "nfs_server/disk/block_buffer.hpp"
#include "nfs_server/disk/storage_error.hpp"

namespace lockstep::server::txn {
class TransactionManager;
}

namespace lockstep::server::fs {

/// What the checker found. Sound when `problems` is empty.
struct CheckReport {
    std::vector<std::string> problems;  ///< one sentence each, at most `max_problems` of them
    bool truncated = false;             ///< there were more problems
    std::uint64_t files = 0;            ///< inodes in use that are no directories
    std::uint64_t directories = 0;
    std::uint64_t orphans = 0;
    std::uint64_t used_blocks = 0;  ///< data, map and tree blocks

    bool sound() const { return problems.empty(); }
};

/// Reads a block of the transaction layer's numbering.
using BlockReader = std::function<Result<BlockBuffer, StorageError>(std::uint64_t block)>;

/// Checks everything. Never fails: what can't be read is a problem. Memory: a few bytes for each inode and block.
CheckReport check_file_system(const BlockReader& read, std::uint64_t size_blocks, std::size_t max_problems = 100);

/// The same through a transaction that takes no lock: nobody else may be at work.
CheckReport check_file_system(txn::TransactionManager& transactions, std::size_t max_problems = 100);

}  // namespace lockstep::server::fs
