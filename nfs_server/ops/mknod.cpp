// MKNOD: a device, a socket or a named pipe. Source: RFC 1813 section 3.3.11.
#include "nfs_server/ops/new_entry.hpp"
#include "nfs_server/ops/permission.hpp"

namespace lockstep::server::ops {
namespace {

struct NodeKind {
    fs::FileType type;
    wire::sattr3 attributes;
    wire::specdata3 device;
};

Outcome<NodeKind> kind_of(const wire::mknoddata3& what, const Credentials& caller) {
    const auto& device = what.mknoddata3_u.device;
    const bool is_device = what.type == wire::NF3CHR || what.type == wire::NF3BLK;
    if (is_device && !is_superuser(caller)) return fail(Error(Error::access_denied));
    switch (what.type) {
        case wire::NF3CHR:
            return NodeKind{fs::FileType::character_device, device.dev_attributes, device.spec};
        case wire::NF3BLK:
            return NodeKind{fs::FileType::block_device, device.dev_attributes, device.spec};
        case wire::NF3SOCK:
            return NodeKind{fs::FileType::socket, what.mknoddata3_u.pipe_attributes, {}};
        case wire::NF3FIFO:
            return NodeKind{fs::FileType::fifo, what.mknoddata3_u.pipe_attributes, {}};
        case wire::NF3REG:
        case wire::NF3DIR:
        case wire::NF3LNK:
            break;
    }
    return fail(Error(Error::bad_type));
}

}  // namespace

Outcome<void> mknod(Request& request, const wire::MKNOD3args& args, wire::MKNOD3resok& ok,
                    wire::MKNOD3resfail& failed) {
    LOCKSTEP_TRY(Inode * directory, lock_for_new_entry(request, args.where.dir, failed.dir_wcc));
    LOCKSTEP_TRY(const std::string_view name, check_entry_name(args.where.name));
    LOCKSTEP_TRY(check_name_is_free(request, *directory, name));
    LOCKSTEP_TRY(const NodeKind kind, kind_of(args.what, request.caller()));
    LOCKSTEP_TRY(Inode * node, make_entry(request, *directory, name, kind.type, kind.attributes));
    node->change().rdev_major = kind.device.specdata1;
    node->change().rdev_minor = kind.device.specdata2;
    fill_new_entry(request, ok, *node, *directory);
    return {};
}

}  // namespace lockstep::server::ops
