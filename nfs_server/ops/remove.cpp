// REMOVE: takes away a name of anything but a directory. Source: RFC 1813 section 3.3.12.
#include "nfs_server/fs/reaper.hpp"
#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/permission.hpp"
#include "nfs_server/ops/procedures.hpp"

namespace lockstep::server::ops {

Outcome<void> remove(Request& request, const wire::REMOVE3args& args, wire::REMOVE3resok& ok,
                     wire::REMOVE3resfail& failed) {
    Operation& op = request.op;
    LOCKSTEP_TRY(Inode * directory, request.lock_directory(args.object.dir, LockMode::exclusive, &failed.dir_wcc));
    failed.dir_wcc = unchanged(op, *directory);
    LOCKSTEP_TRY(const std::string_view name, check_entry_name(args.object.name, Error::is_directory));
    if (!may_change_entries(request.caller(), **directory)) return fail(Error(Error::access_denied));
    LOCKSTEP_TRY(const fs::FoundEntry entry, find_existing(op, *directory, name));
    LOCKSTEP_TRY(Inode * victim, op.lock_inode(entry.inode, LockMode::exclusive));
    if (victim->is_directory()) return fail(Error(Error::is_directory));
    if (!sticky_allows(request.caller(), **directory, **victim)) return fail(Error(Error::access_denied));
    LOCKSTEP_TRY(fs::erase_entry(op, *directory, entry));
    LOCKSTEP_TRY(fs::drop_link(op, *victim));
    touch_directory(op, *directory);
    ok.dir_wcc = wcc(op, *directory);
    return {};
}

}  // namespace lockstep::server::ops
