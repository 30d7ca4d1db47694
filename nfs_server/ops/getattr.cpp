// GETATTR: the attributes of a file. Source: RFC 1813 section 3.3.1.
#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/procedures.hpp"

namespace lockstep::server::ops {

Outcome<void> getattr(Request& request, const wire::GETATTR3args& args, wire::GETATTR3resok& ok) {
    LOCKSTEP_TRY(const Inode* file, request.lock_file(args.object, LockMode::shared));
    ok.obj_attributes = attributes_of(request.op, *file);
    return {};
}

}  // namespace lockstep::server::ops
