// Making a file system, and recognising one. Layer: fs.
#pragma once

#include <cstdint>
#include <optional>

#include "nfs_server/base/result.hpp"
#include "nfs_server/disk/storage_error.hpp"
#include "nfs_server/fs/layout.hpp"
#include "nfs_server/txn/transaction.hpp"

namespace lockstep::server::fs {

/// What mkfs may be told.
struct FormatOptions {
    std::uint64_t inode_count = 0;                ///< 0: one for each two blocks
    std::optional<std::uint32_t> reply_blocks{};  ///< of the area of kept replies; nothing: by the disk's size
    std::uint32_t name_hash_bits = 55;            ///< fewer make equal hashes likely: for tests
    std::optional<std::uint64_t> seed;  ///< makes the keys and the identity repeatable: for tests, never in production
    std::uint32_t root_mode = 0755;
    std::uint32_t root_uid = 0;
    std::uint32_t root_gid = 0;
};

/// Makes an empty file system, in one transaction, and waits until it is durable: a crash leaves all of it or nothing.
/// Relies on the disk being zero; checks it where the format depends on it. Errors: no_space (fewer than about 40
/// blocks), unknown_format (something is there; left unchanged), io.
Result<void, StorageFailure> format(txn::TransactionManager& transactions, const FormatOptions& options,
                                    std::uint64_t now_ns);

/// Reads and judges the superblock. Errors: blank (zeros), unknown_format (not ours, a later version, or an unknown
/// feature), corrupt (ours, but contradictory), io.
Result<Superblock, StorageFailure> read_superblock(txn::TransactionManager& transactions);

/// The superblock's checksum.
std::uint32_t checksum_of(const Superblock& superblock);

/// True when magic, checksum and geometry fit together and within `size_blocks`; else says why not.
Result<void, StorageFailure> judge_superblock(const Superblock& superblock, std::uint64_t size_blocks);

}  // namespace lockstep::server::fs
