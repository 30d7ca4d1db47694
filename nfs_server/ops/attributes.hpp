// Attributes as RFC 1813 shows them, made from inodes, and inodes changed by attributes that a client sets. Layer: ops.
#pragma once

#include "nfs_server/fs/operation.hpp"
#include "nfs_server/rpc/credentials.hpp"
#include "nfs_server/wire/nfs3.hpp"

namespace lockstep::server::ops {

using rpc::Credentials;

wire::nfstime3 to_nfstime3(std::uint64_t ns);
std::uint64_t to_ns(const wire::nfstime3& time);

/// The inode's attributes as this operation has them now.
wire::fattr3 attributes_of(fs::Operation& op, const fs::Inode& inode);
wire::post_op_attr post_op(fs::Operation& op, const fs::Inode& inode);

/// Before this operation, and now: exact, since the inode is locked from the one moment to the other.
wire::wcc_data wcc(fs::Operation& op, const fs::Inode& inode);

/// For a failure after the inode was locked: nothing changes, so before is after.
wire::wcc_data unchanged(fs::Operation& op, const fs::Inode& inode);

/// Does to the inode what SETATTR asks, if the caller may; also sets ctime, and mtime with the size.
/// Errors: not_owner, access_denied, invalid (also: the size of what is no regular file), and those of fs::set_size.
fs::Outcome<void> set_attributes(fs::Operation& op, fs::Inode& inode, const wire::sattr3& wanted,
                                 const Credentials& caller);

/// Gives a new inode in `directory` its owner, group and mode, then what the client wants beyond.
/// Errors: as set_attributes.
fs::Outcome<void> set_initial_attributes(fs::Operation& op, fs::Inode& inode, const fs::Inode& directory,
                                         wire::sattr3 wanted, const Credentials& caller);

/// A write by somebody else than the superuser takes set-user-id and, where the group may execute, set-group-id away.
void drop_set_id_bits(fs::Inode& inode, const Credentials& caller);

}  // namespace lockstep::server::ops
