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

Outcome<const Inode*> step_down(Request& request, const Inode& directory, std::string_view name) {
    LOCKSTEP_TRY(const fs::FoundEntry entry, find_existing(request.op, directory, name));
    LOCKSTEP_TRY(const Inode* next, request.op.lock_inode(entry.inode, LockMode::shared));
    if (!next->is_directory()) return fail(Error(Error::not_directory));
    return next;
}

// A step of the client, which may not go where it has no right to, nor above the top of its export.
Outcome<const Inode*> step_as_client(Request& request, const Inode& directory, std::string_view name) {
    if (name == ".") return &directory;
    if (name.size() > fs::max_name_bytes) return fail(Error(Error::name_too_long));
    if (!may(request.caller(), *directory, right_execute)) return fail(Error(Error::access_denied));
    if (name != "..") return step_down(request, directory, name);
    return request.op.lock_inode(request.parent_of(directory), LockMode::shared);
}

template <class Step>
Outcome<const Inode*> walk(Request& request, const Inode* directory, std::string_view path, Step step) {
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/'), path.size());
        if (end > 0) {
            LOCKSTEP_TRY(directory, step(request, *directory, path.substr(0, end)));
        }
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return directory;
}

// The export's own directory is the server's to find, what lies below the client's.
Outcome<fs::FileIdentity> find_mounted(Request& request, const ExportTable::Entry& entry, std::string_view path) {
    path.remove_prefix(std::min(entry.export_.path.size(), path.size()));
    LOCKSTEP_TRY(const Inode* root, request.op.lock_file(request.service.file_system.root(), LockMode::shared));
    LOCKSTEP_TRY(const Inode* top, walk(request, root, entry.export_.directory, step_down));
    entry.root_inode.store(top->number(), std::memory_order_relaxed);
    LOCKSTEP_TRY(request.enter(entry));
    LOCKSTEP_TRY(const Inode* directory, walk(request, top, path, step_as_client));
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
    const ExportTable::Entry* entry = mounts.exports.current().find_path(path);
    if (entry == nullptr) {
        res.fhs_status = wire::MNT3ERR_NOENT;
        return;
    }
    if (!entry->export_.admits(call.peer)) {
        res.fhs_status = wire::MNT3ERR_ACCES;
        return;
    }
    const auto finished = mounts.service.file_system.run(call.request_id, [&](Operation& op) {
        Request request(mounts.service, call, op);
        return find_mounted(request, *entry, path);
    });
    if (!finished.result) {
        res.fhs_status = to_mountstat3(finished.result.error());
        return;
    }
    res.fhs_status = wire::MNT3_OK;
    const fs::FileHandle handle = mounts.service.file_system.handle_of(*finished.result, entry->number);
    res.mountres3_u.mountinfo = mount_reply(call.arena, handle);
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

// Everybody is told everything: what showmount -e prints. No group: everybody may mount it.
void list_exports(const MountService& mounts, const CallContext& call, wire::exports& list) {
    wire::exports* next = &list;
    for (const auto& entry : mounts.exports.current().all()) {
        auto* node = call.arena.make<wire::exportnode>();
        node->ex_dir = copy_text(call.arena, entry->export_.path);
        wire::groups* next_group = &node->ex_groups;
        for (const Network& network : entry->export_.clients) {
            *next_group = call.arena.make<wire::groupnode>();
            (*next_group)->gr_name = copy_text(call.arena, network.text());
            next_group = &(*next_group)->gr_next;
        }
        *next = node;
        next = &node->ex_next;
    }
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
