#include "nfs_server/ops/new_entry.hpp"

#include "nfs_server/ops/permission.hpp"

namespace lockstep::server::ops {

Outcome<Inode*> lock_for_new_entry(Request& request, const wire::nfs_fh3& handle, wire::wcc_data& wcc_if_failed) {
    LOCKSTEP_TRY(Inode * directory, request.lock_directory(handle, LockMode::exclusive, &wcc_if_failed));
    wcc_if_failed = unchanged(request.op, *directory);
    if (!may(request.caller(), **directory, right_execute)) return fail(Error(Error::access_denied));
    return directory;
}

Outcome<void> check_name_is_free(Request& request, const Inode& directory, std::string_view name) {
    LOCKSTEP_TRY(const auto found, fs::find_entry(request.op, directory, name));
    if (found) return fail(Error(Error::exists));
    return {};
}

Outcome<Inode*> make_entry(Request& request, Inode& directory, std::string_view name, fs::FileType type,
                           const wire::sattr3& attributes) {
    Operation& op = request.op;
    if (!may_change_entries(request.caller(), *directory)) return fail(Error(Error::access_denied));
    LOCKSTEP_TRY(Inode * inode, op.create_inode(type));
    inode->change().nlink = 1;
    LOCKSTEP_TRY(set_initial_attributes(op, *inode, directory, attributes, request.caller()));
    LOCKSTEP_TRY(fs::insert_entry(op, directory, name, inode->number()));
    touch_directory(op, directory);
    return inode;
}

}  // namespace lockstep::server::ops
