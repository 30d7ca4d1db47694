// SETATTR: sets attributes, if the guard still holds. Source: RFC 1813 section 3.3.2.
#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/procedures.hpp"

namespace lockstep::server::ops {

Outcome<void> setattr(Request& request, const wire::SETATTR3args& args, wire::SETATTR3resok& ok,
                      wire::SETATTR3resfail& failed) {
    Operation& op = request.op;
    LOCKSTEP_TRY(Inode * file, request.lock_file(args.object, LockMode::exclusive, &failed.obj_wcc));
    failed.obj_wcc = unchanged(op, *file);
    if (args.guard.check && to_ns(args.guard.sattrguard3_u.obj_ctime) != (*file)->ctime_ns)
        return fail(Error(Error::not_sync));
    LOCKSTEP_TRY(set_attributes(op, *file, args.new_attributes, request.caller()));
    ok.obj_wcc = wcc(op, *file);
    return {};
}

}  // namespace lockstep::server::ops
