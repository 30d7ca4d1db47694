// READLINK: the text of a symbolic link. Source: RFC 1813 section 3.3.5.
#include "nfs_server/fs/file_data.hpp"
#include "nfs_server/ops/attributes.hpp"
#include "nfs_server/ops/procedures.hpp"

namespace lockstep::server::ops {

Outcome<void> readlink(Request& request, const wire::READLINK3args& args, wire::READLINK3resok& ok,
                       wire::READLINK3resfail& failed) {
    Operation& op = request.op;
    LOCKSTEP_TRY(const Inode* link, request.lock_file(args.symlink, LockMode::shared));
    failed.symlink_attributes = post_op(op, *link);
    if ((*link)->type != fs::FileType::symlink) return fail(Error(Error::invalid));
    if ((*link)->size > fs::max_symlink_bytes) return fail(Error(Error::corrupt));
    const auto text = request.call.arena.bytes((*link)->size + 1);
    LOCKSTEP_TRY(const std::uint64_t length, fs::read_bytes(op, *link, 0, text.first((*link)->size)));
    text[length] = std::byte{0};
    ok.data = reinterpret_cast<char*>(text.data());
    ok.symlink_attributes = failed.symlink_attributes;
    return {};
}

}  // namespace lockstep::server::ops
