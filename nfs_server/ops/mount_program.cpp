#include "nfs_server/ops/mount_program.hpp"

#include <cstring>
#include <optional>

#include "nfs_server/ops/permission.hpp"
#include "nfs_server/rpc/credentials.hpp"
#include "nfs_server/wire/mount3.hpp"

namespace lockstep::server::ops {
namespace {

constexpr int auth_flavor_sys = 1;

wire::mountstat3 to_mountstat3(Error error) {
    switch (error.code()) {
        case Error::not_found:
        case Error::stale:
            return wire::MNT3ERR_NOENT;
        case Error::not_directory:
            return wire::MNT3ERR_NOTDIR;
        case Error::access_denied:
            return wire::MNT3ERR_ACCES;
        case Error::name_too_long:
            return wire::MNT3ERR_NAMETOOLONG;
        case Error::io:
            return wire::MNT3ERR_IO;
        default:
            return wire::MNT3ERR_SERVERFAULT;
    }
}

// What follows the export's path in `path`; nothing when `path` does not lie in the export.
std::optional<std::string_view> below_export(std::string_view path, std::string_view export_path) {
    if (!path.starts_with(export_path)) return std::nullopt;
    path.remove_prefix(export_path.size());
    if (!path.empty() && path.front() != '/' && !export_path.ends_with('/')) return std::nullopt;
    return path;
}

Outcome<const Inode*> step_into(Request& request, const Inode& directory, std::string_view name) {
    if (name == ".") return &directory;
    if (name.size() > fs::max_name_bytes) return fail(Error(Error::name_too_long));
    if (!may(request.caller(), *directory, right_execute)) return fail(Error(Error::access_denied));
    std::uint64_t number = directory->parent;
    if (name != "..") {
        LOCKSTEP_TRY(const fs::FoundEntry entry, find_existing(request.op, directory, name));
        number = entry.inode;
    }
    LOCKSTEP_TRY(const Inode* next, request.op.lock_inode(number, LockMode::shared));
    if (!next->is_directory()) return fail(Error(Error::not_directory));
    return next;
}

// Walks from the root. `..` ends at the root of the file system, so no path leads out of the export.
Outcome<fs::FileIdentity> walk(Request& request, std::string_view path) {
    LOCKSTEP_TRY(const Inode* directory, request.op.lock_file(request.service.file_system.root(), LockMode::shared));
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/'), path.size());
        if (end > 0) {
            LOCKSTEP_TRY(directory, step_into(request, *directory, path.substr(0, end)));
        }
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return directory->identity();
}

char* copy_text(Arena& arena, std::string_view text) {
    const auto bytes = arena.bytes(text.size() + 1);
    std::memcpy(bytes.data(), text.data(), text.size());
    bytes[text.size()] = std::byte{0};
    return reinterpret_cast<char*>(bytes.data());
}

wire::mountres3_ok mount_reply(Arena& arena, const fs::FileHandle& handle) {
    wire::mountres3_ok reply{};
    const auto copy = arena.bytes(handle.size());
    std::memcpy(copy.data(), handle.data(), handle.size());
    reply.fhandle.fhandle3_len = static_cast<u_int>(handle.size());
    reply.fhandle.fhandle3_val = reinterpret_cast<char*>(copy.data());
    const auto flavors = arena.make_array<int>(1);
    flavors[0] = auth_flavor_sys;
    reply.auth_flavors.auth_flavors_len = 1;
    reply.auth_flavors.auth_flavors_val = flavors.data();
    return reply;
}

void mnt(MountService& mounts, const CallContext& call, const wire::dirpath& path, wire::mountres3& res) {
    const auto rest = below_export(path, mounts.export_path);
    if (!rest) {
        res.fhs_status = wire::MNT3ERR_NOENT;
        return;
    }
    const auto finished = mounts.service.file_system.run(call.request_id, [&](Operation& op) {
        Request request(mounts.service, call, op);
        return walk(request, *rest);
    });
    if (!finished.result) {
        res.fhs_status = to_mountstat3(finished.result.error());
        return;
    }
    res.fhs_status = wire::MNT3_OK;
    res.mountres3_u.mountinfo = mount_reply(call.arena, mounts.service.file_system.handle_of(*finished.result));
    mounts.table.add(call.peer.address(), path);
}

void dump(const MountService& mounts, const CallContext& call, wire::mountlist& list) {
    for (const MountTable::Entry& mounted : mounts.table.all()) {
        auto* body = call.arena.make<wire::mountbody>();
        body->ml_hostname = copy_text(call.arena, mounted.host);
        body->ml_directory = copy_text(call.arena, mounted.path);
        body->ml_next = list;
        list = body;
    }
}

void list_exports(const MountService& mounts, const CallContext& call, wire::exports& list) {
    list = call.arena.make<wire::exportnode>();
    list->ex_dir = copy_text(call.arena, mounts.export_path);
}

}  // namespace

rpc::Program make_mount_program(MountService& mounts) {
    rpc::Program mount(MOUNT_PROGRAM, MOUNT_V3, "MOUNT");
    mount.add(MOUNTPROC3_MNT, "MNT", wire::xdr_dirpath, wire::xdr_mountres3,
              [&mounts](const CallContext& call, const wire::dirpath& path, wire::mountres3& res) {
                  mnt(mounts, call, path, res);
              });
    mount.add(
        MOUNTPROC3_DUMP, "DUMP", rpc::xdr_no_value, wire::xdr_mountlist,
        [&mounts](const CallContext& call, const rpc::NoValue&, wire::mountlist& list) { dump(mounts, call, list); });
    mount.add(MOUNTPROC3_UMNT, "UMNT", wire::xdr_dirpath, rpc::xdr_no_value,
              [&mounts](const CallContext& call, const wire::dirpath& path, rpc::NoValue&) {
                  mounts.table.remove(call.peer.address(), path);
              });
    mount.add(MOUNTPROC3_UMNTALL, "UMNTALL", rpc::xdr_no_value, rpc::xdr_no_value,
              [&mounts](const CallContext& call, const rpc::NoValue&, rpc::NoValue&) {
                  mounts.table.remove_all(call.peer.address());
              });
    mount.add(MOUNTPROC3_EXPORT, "EXPORT", rpc::xdr_no_value, wire::xdr_exports,
              [&mounts](const CallContext& call, const rpc::NoValue&, wire::exports& list) {
                  list_exports(mounts, call, list);
              });
    return mount;
}

}  // namespace lockstep::server::ops
