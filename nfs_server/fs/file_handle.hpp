// File handles: what a client keeps to name a file. 48 bytes, opaque to it, unforgeable, and never meaning another
// file:
//
//   0        4        8               16              24              32                              48
//   | version| export | file system id | inode         | generation    | SipHash-2-4-128 of the before |
//
// The key of the MAC lies in the superblock, so that handles outlive a restart. Layer: fs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "nfs_server/fs/error.hpp"

namespace lockstep::server::fs {

/// A file for as long as it exists: a later file with the same inode number has another generation.
struct FileIdentity {
    std::uint64_t inode = 0;
    std::uint64_t generation = 0;
    friend constexpr bool operator==(FileIdentity, FileIdentity) = default;
};

constexpr std::size_t file_handle_bytes = 48;
using FileHandle = std::array<std::byte, file_handle_bytes>;

/// What a handle says.
struct DecodedHandle {
    FileIdentity file;
    std::uint32_t export_number = 0;
};

/// Makes and reads the handles of one file system. Immutable: any thread.
class HandleCodec {
 public:
    HandleCodec(std::uint64_t file_system_id, const std::array<std::uint8_t, 16>& key)
        : file_system_id_(file_system_id), key_(key) {}

    FileHandle encode(FileIdentity file, std::uint32_t export_number = 0) const;

    /// Errors: bad_handle (not made with this key, or malformed), stale (of another file system, so of a disk that is
    /// no longer served). Says nothing about whether the file still exists.
    Outcome<DecodedHandle> decode(std::span<const std::byte> handle) const;

    /// What a handle says it names, whoever made it; nothing when it is malformed. For people to read.
    static std::optional<FileIdentity> claim_of(std::span<const std::byte> handle);

 private:
    std::uint64_t file_system_id_;
    std::array<std::uint8_t, 16> key_;
};

}  // namespace lockstep::server::fs
