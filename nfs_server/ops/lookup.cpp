// LOOKUP: the file that a name in a directory leads to. Source: RFC 1813 section 3.3.3.
#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/permission.hpp"
#include "nfs_server/ops/procedures.hpp"

namespace lockstep::server::ops {
namespace {

Outcome<std::uint64_t> find_inode(Request& request, const Inode& directory, std::string_view name) {
    if (name == ".") return directory.number();
    if (name == "..") return request.parent_of(directory);
    LOCKSTEP_TRY(const fs::FoundEntry entry, find_existing(request.op, directory, name));
    return entry.inode;
}

}  // namespace

Outcome<void> lookup(Request& request, const wire::LOOKUP3args& args, wire::LOOKUP3resok& ok,
                     wire::LOOKUP3resfail& failed) {
    Operation& op = request.op;
    LOCKSTEP_TRY(const Inode* directory, request.lock_directory(args.what.dir, LockMode::shared));
    failed.dir_attributes = post_op(op, *directory);
    LOCKSTEP_TRY(const std::string_view name, check_name(args.what.name));
    if (!may(request.caller(), **directory, right_execute)) return fail(Error(Error::access_denied));
    LOCKSTEP_TRY(const std::uint64_t number, find_inode(request, *directory, name));
    LOCKSTEP_TRY(const Inode* child, op.lock_inode(number, LockMode::shared));
    ok.object = request.handle_of(*child);
    ok.obj_attributes = post_op(op, *child);
    ok.dir_attributes = failed.dir_attributes;
    return {};
}

}  // namespace lockstep::server::ops
