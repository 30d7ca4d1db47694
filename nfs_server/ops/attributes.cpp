#include "nfs_server/ops/attributes.hpp"

#include "nfs_server/fs/file_data.hpp"
#include "nfs_server/ops/permission.hpp"

namespace lockstep::server::ops {
namespace {

using fs::Error;
using fs::FileType;
using fs::Inode;
using fs::Operation;
using fs::Outcome;

constexpr std::uint64_t ns_per_second = 1'000'000'000;
constexpr std::uint16_t set_user_id = 04000;
constexpr std::uint16_t set_group_id = 02000;
constexpr std::uint16_t mode_mask = 07777;
constexpr std::uint16_t default_file_mode = 0600;
constexpr std::uint16_t default_directory_mode = 0700;

wire::ftype3 to_ftype3(FileType type) {
    switch (type) {
        case FileType::regular:
            return wire::NF3REG;
        case FileType::directory:
            return wire::NF3DIR;
        case FileType::block_device:
            return wire::NF3BLK;
        case FileType::character_device:
            return wire::NF3CHR;
        case FileType::symlink:
            return wire::NF3LNK;
        case FileType::socket:
            return wire::NF3SOCK;
        case FileType::fifo:
            return wire::NF3FIFO;
        case FileType::free:
            break;
    }
    return wire::NF3REG;
}

std::uint64_t used_bytes(const fs::InodeRecord& record) {
    const bool in_inode = (record.flags & fs::inode_flag_inline) != 0 && record.size > 0;
    return record.blocks * fs::block_bytes + (in_inode ? fs::inode_bytes : 0);
}

wire::pre_op_attr pre_op(const fs::InodeRecord& record) {
    wire::pre_op_attr before{};
    before.attributes_follow = TRUE;
    before.pre_op_attr_u.attributes = {record.size, to_nfstime3(record.mtime_ns), to_nfstime3(record.ctime_ns)};
    return before;
}

wire::fattr3 attributes_of(Operation& op, std::uint64_t number, const fs::InodeRecord& record) {
    wire::fattr3 attributes{};
    attributes.type = to_ftype3(record.type);
    attributes.mode = record.mode;
    attributes.nlink = record.nlink;
    attributes.uid = record.uid;
    attributes.gid = record.gid;
    attributes.size = record.size;
    attributes.used = used_bytes(record);
    attributes.rdev = {record.rdev_major, record.rdev_minor};
    attributes.fsid = op.volume().superblock.file_system_id;
    attributes.fileid = number;
    attributes.atime = to_nfstime3(record.atime_ns);
    attributes.mtime = to_nfstime3(record.mtime_ns);
    attributes.ctime = to_nfstime3(record.ctime_ns);
    return attributes;
}

void take_set_id_bits(Inode& inode) {
    std::uint16_t mode = inode->mode;
    mode &= static_cast<std::uint16_t>(~set_user_id);
    if ((mode & 010) != 0) mode &= static_cast<std::uint16_t>(~set_group_id);
    if (mode != inode->mode) inode.change().mode = mode;
}

// --- Setting, one attribute each -------------------------------------------------------------------------------------

Outcome<void> set_mode(Inode& inode, std::uint32_t mode, const Credentials& caller) {
    if (!is_superuser(caller) && !is_owner(caller, *inode)) return fail(Error(Error::not_owner));
    auto bits = static_cast<std::uint16_t>(mode & mode_mask);
    const bool foreign_group = !is_superuser(caller) && !is_member(caller, inode->gid);
    if (foreign_group && !inode.is_directory()) bits &= static_cast<std::uint16_t>(~set_group_id);
    inode.change().mode = bits;
    return {};
}

// chown is restricted (PATHCONF says so): only the superuser gives a file away; its owner may choose among own groups.
// Whoever does it: what was to run with one owner's rights does not run with another's. A Linux client leaves that to
// the server.
Outcome<void> set_owner(Inode& inode, const wire::sattr3& wanted, const Credentials& caller) {
    const std::uint32_t uid = wanted.uid.set_it ? wanted.uid.set_uid3_u.uid : inode->uid;
    const std::uint32_t gid = wanted.gid.set_it ? wanted.gid.set_gid3_u.gid : inode->gid;
    if (!is_superuser(caller)) {
        if (!is_owner(caller, *inode) || uid != inode->uid) return fail(Error(Error::not_owner));
        if (gid != inode->gid && !is_member(caller, gid)) return fail(Error(Error::not_owner));
    }
    if (!inode.is_directory()) take_set_id_bits(inode);
    inode.change().uid = uid;
    inode.change().gid = gid;
    return {};
}

Outcome<void> set_file_size(Operation& op, Inode& inode, std::uint64_t size, const Credentials& caller) {
    if (!inode.is_regular()) return fail(Error(Error::invalid));
    if (!may_write_data(caller, *inode)) return fail(Error(Error::access_denied));
    LOCKSTEP_TRY(fs::set_size(op, inode, size));
    inode.change().mtime_ns = op.now_ns();
    drop_set_id_bits(inode, caller);
    return {};
}

Outcome<void> set_time(Operation& op, const Inode& inode, wire::time_how how, const wire::nfstime3& time,
                       std::uint64_t& target_ns, const Credentials& caller) {
    if (how == wire::DONT_CHANGE) return {};
    const bool owner = is_superuser(caller) || is_owner(caller, *inode);
    if (how == wire::SET_TO_SERVER_TIME) {
        if (!owner && !may(caller, *inode, right_write)) return fail(Error(Error::access_denied));
        target_ns = op.now_ns();
        return {};
    }
    if (!owner) return fail(Error(Error::not_owner));
    if (time.nseconds >= ns_per_second) return fail(Error(Error::invalid));
    target_ns = to_ns(time);
    return {};
}

bool changes_anything(const wire::sattr3& wanted) {
    return wanted.mode.set_it || wanted.uid.set_it || wanted.gid.set_it || wanted.size.set_it ||
           wanted.atime.set_it != wire::DONT_CHANGE || wanted.mtime.set_it != wire::DONT_CHANGE;
}

}  // namespace

wire::nfstime3 to_nfstime3(std::uint64_t ns) {
    return {static_cast<wire::uint32>(ns / ns_per_second), static_cast<wire::uint32>(ns % ns_per_second)};
}

std::uint64_t to_ns(const wire::nfstime3& time) {
    return time.seconds * ns_per_second + time.nseconds;
}

wire::fattr3 attributes_of(Operation& op, const Inode& inode) {
    return attributes_of(op, inode.number(), *inode);
}

wire::post_op_attr post_op(Operation& op, const Inode& inode) {
    wire::post_op_attr attributes{};
    attributes.attributes_follow = TRUE;
    attributes.post_op_attr_u.attributes = attributes_of(op, inode);
    return attributes;
}

wire::wcc_data wcc(Operation& op, const Inode& inode) {
    return {pre_op(inode.before()), post_op(op, inode)};
}

wire::wcc_data unchanged(Operation& op, const Inode& inode) {
    wire::post_op_attr after{};
    after.attributes_follow = TRUE;
    after.post_op_attr_u.attributes = attributes_of(op, inode.number(), inode.before());
    return {pre_op(inode.before()), after};
}

Outcome<void> set_attributes(Operation& op, Inode& inode, const wire::sattr3& wanted, const Credentials& caller) {
    if (!changes_anything(wanted)) return {};
    if (wanted.size.set_it) {
        LOCKSTEP_TRY(set_file_size(op, inode, wanted.size.set_size3_u.size, caller));
    }
    std::uint64_t atime_ns = inode->atime_ns;
    std::uint64_t mtime_ns = inode->mtime_ns;
    LOCKSTEP_TRY(set_time(op, inode, wanted.atime.set_it, wanted.atime.set_atime_u.atime, atime_ns, caller));
    LOCKSTEP_TRY(set_time(op, inode, wanted.mtime.set_it, wanted.mtime.set_mtime_u.mtime, mtime_ns, caller));
    inode.change().atime_ns = atime_ns;
    inode.change().mtime_ns = mtime_ns;
    if (wanted.uid.set_it || wanted.gid.set_it) {
        LOCKSTEP_TRY(set_owner(inode, wanted, caller));
    }
    if (wanted.mode.set_it) {
        LOCKSTEP_TRY(set_mode(inode, wanted.mode.set_mode3_u.mode, caller));
    }
    inode.change().ctime_ns = op.now_ns();
    return {};
}

Outcome<void> set_initial_attributes(Operation& op, Inode& inode, const Inode& directory, wire::sattr3 wanted,
                                     const Credentials& caller) {
    if (!inode.is_regular()) wanted.size.set_it = FALSE;
    const bool group_from_directory = (directory->mode & set_group_id) != 0;
    inode.change().uid = caller.uid;
    inode.change().gid = group_from_directory ? directory->gid : caller.gid;
    inode.change().mode = inode.is_directory() ? default_directory_mode : default_file_mode;
    LOCKSTEP_TRY(set_attributes(op, inode, wanted, caller));
    if (group_from_directory && inode.is_directory()) inode.change().mode |= set_group_id;
    return {};
}

void drop_set_id_bits(fs::Inode& inode, const Credentials& caller) {
    if (!is_superuser(caller) && !inode.is_directory()) take_set_id_bits(inode);
}

}  // namespace lockstep::server::ops
