// RMDIR: takes away an empty directory. Source: RFC 1813 section 3.3.13.
#include "nfs_server/fs/reaper.hpp"
#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/permission.hpp"
#include "nfs_server/ops/procedures.hpp"

namespace lockstep::server::ops {

Outcome<void> rmdir(Request& request, const wire::RMDIR3args& args, wire::RMDIR3resok& ok,
                    wire::RMDIR3resfail& failed) {
    Operation& op = request.op;
    LOCKSTEP_TRY(Inode * parent, request.lock_directory(args.object.dir, LockMode::exclusive, &failed.dir_wcc));
    failed.dir_wcc = unchanged(op, *parent);
    LOCKSTEP_TRY(const std::string_view name, check_name(args.object.name));
    if (name == ".") return fail(Error(Error::invalid));
    if (name == "..") return fail(Error(Error::exists));
    if (!may_change_entries(request.caller(), **parent)) return fail(Error(Error::access_denied));
    LOCKSTEP_TRY(const fs::FoundEntry entry, find_existing(op, *parent, name));
    LOCKSTEP_TRY(Inode * victim, op.lock_inode(entry.inode, LockMode::exclusive));
    if (!victim->is_directory()) return fail(Error(Error::not_directory));
    if (!sticky_allows(request.caller(), **parent, **victim)) return fail(Error(Error::access_denied));
    if ((*victim)->entries > 0) return fail(Error(Error::not_empty));
    LOCKSTEP_TRY(fs::erase_entry(op, *parent, entry));
    LOCKSTEP_TRY(fs::drop_link(op, *victim));
    --parent->change().nlink;
    touch_directory(op, *parent);
    ok.dir_wcc = wcc(op, *parent);
    return {};
}

}  // namespace lockstep::server::ops
