// What CREATE, MKDIR, SYMLINK and MKNOD have in common: a new inode under a new name. Layer: ops.
#pragma once

#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/procedures.hpp"

namespace lockstep::server::ops {

/// Locks the directory, fills `wcc_if_failed`, and sees that the caller may add names there.
/// Errors: bad_handle, stale, not_directory, access_denied, conflict, io, corrupt.
Outcome<Inode*> lock_for_new_entry(Request& request, const wire::nfs_fh3& directory, wire::wcc_data& wcc_if_failed);

/// Errors: exists, io, corrupt.
Outcome<void> check_name_is_free(Request& request, const Inode& directory, std::string_view name);

/// Makes an inode with one link and attributes, and gives it the name, which is free.
/// Errors: no_space, those of set_initial_attributes, conflict, io, corrupt.
Outcome<Inode*> make_entry(Request& request, Inode& directory, std::string_view name, fs::FileType type,
                           const wire::sattr3& attributes);

/// Fills the reply's three fields, which these procedures share.
template <class Ok>
void fill_new_entry(Request& request, Ok& ok, const Inode& inode, const Inode& directory) {
    ok.obj = request.post_op_handle(inode);
    ok.obj_attributes = post_op(request.op, inode);
    ok.dir_wcc = wcc(request.op, directory);
}

}  // namespace lockstep::server::ops
