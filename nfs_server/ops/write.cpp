// WRITE: bytes into a file, as stable as the client asks. Source: RFC 1813 section 3.3.7.
#include "nfs_server/fs/file_data.hpp"
#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/permission.hpp"
#include "nfs_server/ops/procedures.hpp"
#include "nfs_server/ops/write_payload.hpp"

#include <algorithm>

namespace lockstep::server::ops {
namespace {

fs::WriteData data_of(const wire::WRITE3args& args, const WritePayload* payload, std::size_t size) {
    if (payload != nullptr) return {args.offset, size, payload->blocks()};
    return {args.offset, std::as_bytes(std::span(args.data.data_val, size))};
}

}  // namespace

Outcome<void> write(Request& request, const wire::WRITE3args& args, wire::WRITE3resok& ok,
                    wire::WRITE3resfail& failed) {
    Operation& op = request.op;
    const auto* payload = static_cast<const WritePayload*>(request.call.payload);
    const std::size_t came = payload != nullptr ? payload->size_bytes() : args.data.data_len;
    // More than one transaction can hold is written in part; the client sends the rest again.
    const std::uint32_t count = std::min(args.count, request.service.file_system.max_write_bytes());
    // Before the file is locked: calls on one file have that much in parallel.
    const fs::WriteData data = data_of(args, payload, std::min<std::size_t>(count, came));
    LOCKSTEP_TRY(Inode * file, request.lock_file(args.file, LockMode::exclusive, &failed.file_wcc));
    failed.file_wcc = unchanged(op, *file);
    if (!file->is_regular() || args.count != came) return fail(Error(Error::invalid));
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
