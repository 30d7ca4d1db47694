// COMMIT: what was written unstably is on stable storage when this is answered. Source: RFC 1813 section 3.3.21.
// The log has one order, so the whole of it up to now becomes durable; offset and count need not be looked at.
#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/procedures.hpp"

namespace lockstep::server::ops {

Outcome<void> commit(Request& request, const wire::COMMIT3args& args, wire::COMMIT3resok& ok,
                     wire::COMMIT3resfail& failed) {
    LOCKSTEP_TRY(const Inode* file, request.lock_file(args.file, LockMode::shared));
    failed.file_wcc = unchanged(request.op, *file);
    request.promise_stable();
    ok.file_wcc = failed.file_wcc;
    request.tell_verifier(ok.verf);
    return {};
}

}  // namespace lockstep::server::ops
