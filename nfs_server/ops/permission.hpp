// Who may do what: Unix permission bits against AUTH_SYS credentials. Layer: ops. Pure functions.
#pragma once

#include <cstdint>

#include "nfs_server/fs/inode.hpp"
#include "nfs_server/rpc/credentials.hpp"

namespace lockstep::server::ops {

using rpc::Credentials;

/// The rights of one class in a mode; values as in the mode's last three bits.
enum Right : unsigned { right_execute = 1, right_write = 2, right_read = 4 };

bool is_superuser(const Credentials& caller);
bool is_owner(const Credentials& caller, const fs::InodeRecord& file);
/// True when `gid` is the caller's group or one of its supplementary groups.
bool is_member(const Credentials& caller, std::uint32_t gid);

/// True when the mode grants all of `rights` (an or of Right). The class is the caller's: owner, else group, else
/// others. The superuser may everything, but execute only what somebody may execute.
bool may(const Credentials& caller, const fs::InodeRecord& file, unsigned rights);

/// READ and WRITE grant more than the bits: the owner may always (the client checked when the file was opened, and the
/// bits may have changed since), and who may execute may read. Source: RFC 1813 section 4.4.
bool may_read_data(const Credentials& caller, const fs::InodeRecord& file);
bool may_write_data(const Credentials& caller, const fs::InodeRecord& file);

/// True when the caller may take names into or out of the directory.
bool may_change_entries(const Credentials& caller, const fs::InodeRecord& directory);

/// True when a sticky directory lets the caller take this victim's name away: it owns the directory or the victim.
bool sticky_allows(const Credentials& caller, const fs::InodeRecord& directory, const fs::InodeRecord& victim);

}  // namespace lockstep::server::ops
