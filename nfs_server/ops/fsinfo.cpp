// FSINFO: sizes and abilities that do not change. Source: RFC 1813 section 3.3.19.
#include <algorithm>

#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/limits.hpp"
#include "nfs_server/ops/procedures.hpp"

namespace lockstep::server::ops {

Outcome<void> fsinfo(Request& request, const wire::FSINFO3args& args, wire::FSINFO3resok& ok, wire::FSINFO3resfail&) {
    LOCKSTEP_TRY(const Inode* file, request.lock_file(args.fsroot, LockMode::shared));
    ok.obj_attributes = post_op(request.op, *file);
    ok.rtmax = ok.rtpref = request.payload_limit(max_read_bytes);
    ok.rtmult = ok.wtmult = fs::block_bytes;
    ok.wtmax = ok.wtpref =
        request.payload_limit(std::min(request.service.max_write_bytes, request.service.file_system.max_write_bytes()));
    ok.dtpref = preferred_directory_reply_bytes;
    ok.maxfilesize = fs::max_file_bytes;
    ok.time_delta = {0, 1};
    ok.properties = FSF3_LINK | FSF3_SYMLINK | FSF3_HOMOGENEOUS | FSF3_CANSETTIME;
    return {};
}

}  // namespace lockstep::server::ops
