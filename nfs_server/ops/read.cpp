// READ: bytes of a file. Source: RFC 1813 section 3.3.6. The access time stays as it is: a read is no write.
#include "nfs_server/fs/file_data.hpp"
#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/limits.hpp"
#include "nfs_server/ops/permission.hpp"
#include "nfs_server/ops/procedures.hpp"

#include <algorithm>

namespace lockstep::server::ops {
namespace {

// How much to read: what the client wants, the file has, and one reply may hold.
std::uint64_t bytes_to_read(const Request& request, const fs::InodeRecord& file, const wire::READ3args& args) {
    const std::uint64_t there = args.offset < file.size ? file.size - args.offset : 0;
    return std::min<std::uint64_t>({there, args.count, request.payload_limit(max_read_bytes)});
}

}  // namespace

Outcome<void> read(Request& request, const wire::READ3args& args, wire::READ3resok& ok, wire::READ3resfail& failed) {
    Operation& op = request.op;
    LOCKSTEP_TRY(const Inode* file, request.lock_file(args.file, LockMode::shared));
    failed.file_attributes = post_op(op, *file);
    if (!file->is_regular()) return fail(Error(Error::invalid));
    if (!may_read_data(request.caller(), **file)) return fail(Error(Error::access_denied));
    const auto data = request.call.arena.bytes(bytes_to_read(request, **file, args));
    LOCKSTEP_TRY(const std::uint64_t count, fs::read_bytes(op, *file, args.offset, data));
    ok.file_attributes = failed.file_attributes;
    ok.count = static_cast<wire::count3>(count);
    ok.eof = args.offset >= (*file)->size || count == (*file)->size - args.offset;
    ok.data.data_len = static_cast<u_int>(count);
    ok.data.data_val = reinterpret_cast<char*>(data.data());
    return {};
}

}  // namespace lockstep::server::ops
