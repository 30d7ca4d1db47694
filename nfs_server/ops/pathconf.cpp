// PATHCONF: limits of names and links. Source: RFC 1813 section 3.3.20.
#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/procedures.hpp"

namespace lockstep::server::ops {

Outcome<void> pathconf(Request& request, const wire::PATHCONF3args& args, wire::PATHCONF3resok& ok,
                       wire::PATHCONF3resfail&) {
    LOCKSTEP_TRY(const Inode* file, request.lock_file(args.object, LockMode::shared));
    ok.obj_attributes = post_op(request.op, *file);
    ok.linkmax = fs::max_links;
    ok.name_max = fs::max_name_bytes;
    ok.no_trunc = TRUE;
    ok.chown_restricted = TRUE;
    ok.case_insensitive = FALSE;
    ok.case_preserving = TRUE;
    return {};
}

}  // namespace lockstep::server::ops
