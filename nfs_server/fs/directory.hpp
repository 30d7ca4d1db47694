// Directories: a B+tree of names, ordered by a keyed hash of the name. Look-up, insertion and removal read one path
// from root to leaf.
//
// An entry's key is  | 0 | 55 bits of SipHash-2-4(name) | 8 bits to tell equal hashes apart |. It is a function of the
// name (and of the names with the same hash that were there before), it never changes while the entry lives, and it is
// the entry's READDIR cookie: a listing that goes on at "keys above this cookie" sees every entry that was there all
// the time exactly once, whatever is inserted or removed meanwhile. The hash is keyed by the superblock, so that nobody
// can choose names that collide. Layer: fs.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "nfs_server/fs/directory_node.hpp"
#include "nfs_server/fs/operation.hpp"

namespace lockstep::server::fs {

/// Cookies 0, 1 and 2 mean: from the start, after `.`, after `..`. No entry's key is below this.
constexpr std::uint64_t first_entry_key = 256;

/// What a name leads to.
struct FoundEntry {
    std::uint64_t key = 0;
    std::uint64_t inode = no_inode;
};

/// The hash of a name, as it stands in a key's upper bits; a key's lower 8 bits are free.
std::uint64_t key_of_name(const Superblock& superblock, std::string_view name);

/// Looks a name up. The caller holds `directory` at least shared. Errors: io, corrupt.
Outcome<std::optional<FoundEntry>> find_entry(Operation& op, const Inode& directory, std::string_view name);

/// Adds a name that is not there. The caller holds `directory` exclusively and changes its times.
/// Errors: no_space (also: 256 names with the same hash), io, corrupt.
Outcome<void> insert_entry(Operation& op, Inode& directory, std::string_view name, std::uint64_t inode);

/// Removes the entry that find_entry() found in this operation. Errors: io, corrupt.
Outcome<void> erase_entry(Operation& op, Inode& directory, const FoundEntry& entry);

/// Points the entry that find_entry() found at another inode. Errors: io, corrupt.
Outcome<void> replace_entry(Operation& op, Inode& directory, const FoundEntry& entry, std::uint64_t inode);

/// Calls `visit` for each entry with a key above `after`, in order, until it returns false.
/// True when the end of the directory was reached. Errors: io, corrupt.
Outcome<bool> list_entries(Operation& op, const Inode& directory, std::uint64_t after,
                           const std::function<bool(const DirectoryEntry&)>& visit);

}  // namespace lockstep::server::fs
