// WRITE: bytes into a file, as stable as the client asks. Source: RFC 1813 section 3.3.7.
#include "nfs_server/fs/file_data.hpp"
#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/permission.hpp"
#include "nfs_server/ops/procedures.hpp"

#include <algorithm>

namespace lockstep::server::ops {

Outcome<void> write(Request& request, const wire::WRITE3args& args, wire::WRITE3resok& ok,
                    wire::WRITE3resfail& failed) {
    Operation& op = request.op;
    // More than one transaction can hold is written in part; the client sends the rest again.
    const std::uint32_t count = std::min(args.count, request.service.file_system.max_write_bytes());
    // Before the file is locked: calls on one file have that much in parallel.
    const fs::WriteData data(args.offset,
                             std::as_bytes(std::span(args.data.data_val, std::min(count, args.data.data_len))));
    LOCKSTEP_TRY(Inode * file, request.lock_file(args.file, LockMode::exclusive));
    failed.file_wcc = unchanged(op, *file);
    if (!file->is_regular() || args.count != args.data.data_len) return fail(Error(Error::invalid));
    if (!may_write_data(request.caller(), **file)) return fail(Error(Error::access_denied));

    if (count > 0) {
        LOCKSTEP_TRY(fs::write_data(op, *file, data));
        file->change().mtime_ns = file->change().ctime_ns = op.now_ns();
        drop_set_id_bits(*file, request.caller());
    }

    const bool stable = args.stable != wire::UNSTABLE;
    if (stable) request.promise_stable();
    ok.file_wcc = wcc(op, *file);
    ok.count = count;
    ok.committed = stable ? wire::FILE_SYNC : wire::UNSTABLE;
    request.tell_verifier(ok.verf);
    return {};
}

}  // namespace lockstep::server::ops
