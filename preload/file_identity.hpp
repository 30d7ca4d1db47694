// The name by which everybody who locks a file knows it, whatever path, mount, namespace or machine they see it
// through.
#pragma once

#include <array>
#include <optional>

#include "preload/process_identity.hpp"

namespace lockstep::preload {

struct File {
    LocalFile local;
    // On a file system of this machine "MAJOR:MINOR:INODE", its device and inode.
    // On one that machines share, where each has a device number of its own, "TYPE:INODE:HASH", the hash (64 bits)
    // being of what the file system's server made: the file handle of name_to_handle_at(2), which for NFS holds the
    // server's own handle, for GFS2, OCFS2 and Ceph the inode's number, and the file system's id of statfs(2).
    std::array<char, 64> name{};
};

// None: the descriptor is not of a file that can be locked. Does not change errno.
std::optional<File> identify(int descriptor);

}  // namespace lockstep::preload
