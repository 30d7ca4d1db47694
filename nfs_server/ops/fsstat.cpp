// FSSTAT: how full the file system is. Source: RFC 1813 section 3.3.18.
#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/procedures.hpp"

namespace lockstep::server::ops {

Outcome<void> fsstat(Request& request, const wire::FSSTAT3args& args, wire::FSSTAT3resok& ok, wire::FSSTAT3resfail&) {
    LOCKSTEP_TRY(const Inode* file, request.lock_file(args.fsroot, LockMode::shared));
    const fs::Usage usage = request.service.file_system.usage();
    ok.obj_attributes = post_op(request.op, *file);
    ok.tbytes = usage.total_bytes;
    ok.fbytes = ok.abytes = usage.free_bytes;
    ok.tfiles = usage.total_files;
    ok.ffiles = ok.afiles = usage.free_files;
    ok.invarsec = 0;  // may change at any moment
    return {};
}

}  // namespace lockstep::server::ops
