// Replies that the server keeps for calls that are sent again. Each lies in a slot of its own and is written by the
// transaction of its call, so that both are there after a crash, or neither. FORMAT.md draws the area. Layer: fs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "nfs_server/base/arena.hpp"
#include "nfs_server/fs/error.hpp"
#include "nfs_server/fs/layout.hpp"

namespace lockstep::server::fs {

class FileSystem;

/// What tells a call from all others: who sent it, the number that he gave it, and a hash of all else in it.
struct CallName {
    std::array<std::uint8_t, 16> client{};  ///< IPv6, or IPv4 as ::ffff:a.b.c.d
    std::uint32_t xid = 0;
    std::uint64_t fingerprint = 0;
    friend bool operator==(const CallName&, const CallName&) = default;
};

/// A reply as it is kept.
struct KeptReply {
    CallName call;
    std::uint32_t procedure = 0;
    std::uint64_t serial = 0;
    std::vector<std::byte> reply;  ///< at most max_reply_bytes
};

/// What a slot holds: a head and the reply, in the arena. reply: at most max_reply_bytes.
std::span<const std::byte> encode_reply(Arena& arena, const CallName& call, std::uint32_t procedure,
                                        std::uint64_t serial, std::span<const std::byte> reply);

/// What the slot's bytes hold; nothing when it was never used. `is_sound` becomes false when the bytes contradict their
/// checksum or their format.
std::optional<KeptReply> decode_reply(std::span<const std::byte> slot, bool& is_sound);

/// A reply that was found on the disk, and where.
struct FoundReply {
    std::uint64_t slot;
    KeptReply kept;
};

/// All replies on the disk. What is damaged is left out: fsck tells. For a file system that does not serve yet.
/// Errors: io, corrupt.
Outcome<std::vector<FoundReply>> read_kept_replies(FileSystem& file_system);

}  // namespace lockstep::server::fs
