#include "netns_harness/workloads/remote_tree.hpp"

#include <nfsc/libnfs.h>
// libnfs' raw headers want libnfs.h first.
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "netns_harness/workloads/rpc_connection.hpp"

namespace lockstep::workloads {
namespace {

nfs_fh3 wire(const Handle& handle) {
    return {{static_cast<u_int>(handle.size()), const_cast<char*>(handle.data())}};
}

diropargs3 wire(const Handle& directory, const std::string& name) {
    return {wire(directory), const_cast<char*>(name.c_str())};
}

Handle copy(const nfs_fh3& handle) {
    return {handle.data.data_val, handle.data.data_val + handle.data.data_len};
}

Verifier copy(const char* verifier) {
    Verifier copied{};
    std::memcpy(copied.data(), verifier, copied.size());
    return copied;
}

class NfsTree : public RemoteTree {
 public:
    NfsTree(const ServerAddress& server, const std::string& directory)
        : nfs_(server.address, server.nfs_port, NFS_PROGRAM, NFS_V3, server.call_limit) {
        const Handle exported = mount(server);
        const std::uint32_t status = make_directory(exported, directory, root_);
        if (status == status_exists) {
            if (const std::uint32_t found = look_up(exported, directory, root_); found != status_ok)
                throw Refused("LOOKUP " + directory, found);
        } else if (status != status_ok) {
            throw Refused("MKDIR " + directory, status);
        }
    }

    Handle root() override { return root_; }

    std::uint32_t make_directory(const Handle& directory, const std::string& name, Handle& made) override {
        MKDIR3args args{};
        args.where = wire(directory, name);
        args.attributes.mode.set_it = 1;
        args.attributes.mode.set_mode3_u.mode = 0777;
        bool told = false;
        const std::uint32_t status = call<MKDIR3res>("MKDIR", rpc_nfs3_mkdir_async, args, [&](const MKDIR3res& result) {
            told = take(result.MKDIR3res_u.resok.obj, made);
        });
        return status != status_ok || told ? status : look_up(directory, name, made);
    }

    std::uint32_t create(const Handle& directory, const std::string& name, bool guarded, Handle& made) override {
        CREATE3args args{};
        args.where = wire(directory, name);
        args.how.mode = guarded ? GUARDED : UNCHECKED;
        sattr3& attributes = guarded ? args.how.createhow3_u.g_obj_attributes : args.how.createhow3_u.obj_attributes;
        attributes.mode.set_it = 1;
        attributes.mode.set_mode3_u.mode = 0666;
        bool told = false;
        const std::uint32_t status =
            call<CREATE3res>("CREATE", rpc_nfs3_create_async, args,
                             [&](const CREATE3res& result) { told = take(result.CREATE3res_u.resok.obj, made); });
        return status != status_ok || told ? status : look_up(directory, name, made);
    }

    std::uint32_t look_up(const Handle& directory, const std::string& name, Handle& found) override {
        LOOKUP3args args{wire(directory, name)};
        return call<LOOKUP3res>("LOOKUP", rpc_nfs3_lookup_async, args,
                                [&](const LOOKUP3res& result) { found = copy(result.LOOKUP3res_u.resok.object); });
    }

    std::uint32_t remove(const Handle& directory, const std::string& name) override {
        REMOVE3args args{wire(directory, name)};
        return call<REMOVE3res>("REMOVE", rpc_nfs3_remove_async, args, [](const REMOVE3res&) {});
    }

    std::uint32_t rename(const Handle& directory, const std::string& from, const std::string& to) override {
        RENAME3args args{wire(directory, from), wire(directory, to)};
        return call<RENAME3res>("RENAME", rpc_nfs3_rename_async, args, [](const RENAME3res&) {});
    }

    std::uint32_t list(const Handle& directory, std::vector<std::string>& names) override {
        READDIR3args args{};
        args.dir = wire(directory);
        args.count = 8192;
        names.clear();
        for (bool end = false; !end;) {
            const std::uint32_t status =
                call<READDIR3res>("READDIR", rpc_nfs3_readdir_async, args, [&](const READDIR3res& result) {
                    const READDIR3resok& ok = result.READDIR3res_u.resok;
                    std::memcpy(args.cookieverf, ok.cookieverf, sizeof args.cookieverf);
                    end = ok.reply.eof != 0;
                    entry3 entry;
                    for (const void* next = ok.reply.entries; next != nullptr; next = entry.nextentry) {
                        std::memcpy(&entry, next, sizeof entry);  // libnfs aligns it to 4 bytes only
                        args.cookie = entry.cookie;
                        if (std::strcmp(entry.name, ".") != 0 && std::strcmp(entry.name, "..") != 0)
                            names.emplace_back(entry.name);
                    }
                });
            if (status != status_ok) return status;
        }
        return status_ok;
    }

    std::uint32_t size_of(const Handle& file, std::uint64_t& size) override {
        GETATTR3args args{wire(file)};
        return call<GETATTR3res>("GETATTR", rpc_nfs3_getattr_async, args, [&](const GETATTR3res& result) {
            size = result.GETATTR3res_u.resok.obj_attributes.size;
        });
    }

    std::uint32_t set_size(const Handle& file, std::uint64_t size) override {
        SETATTR3args args{};
        args.object = wire(file);
        args.new_attributes.size.set_it = 1;
        args.new_attributes.size.set_size3_u.size = size;
        return call<SETATTR3res>("SETATTR", rpc_nfs3_setattr_async, args, [](const SETATTR3res&) {});
    }

    std::uint32_t state_of(const Handle& file, FileState& state) override {
        GETATTR3args args{wire(file)};
        return call<GETATTR3res>("GETATTR", rpc_nfs3_getattr_async, args, [&](const GETATTR3res& result) {
            const fattr3& attributes = result.GETATTR3res_u.resok.obj_attributes;
            state = {attributes.size, std::uint64_t{attributes.ctime.seconds} << 32 | attributes.ctime.nseconds};
        });
    }

    std::uint32_t set_size_if_unchanged(const Handle& file, const FileState& seen, std::uint64_t size) override {
        SETATTR3args args{};
        args.object = wire(file);
        args.new_attributes.size.set_it = 1;
        args.new_attributes.size.set_size3_u.size = size;
        args.guard.check = 1;
        args.guard.sattrguard3_u.obj_ctime = {static_cast<u_int>(seen.changed >> 32), static_cast<u_int>(seen.changed)};
        return call<SETATTR3res>("SETATTR", rpc_nfs3_setattr_async, args, [](const SETATTR3res&) {});
    }

    std::uint32_t read(const Handle& file, std::uint64_t offset, std::uint32_t count, Bytes& bytes) override {
        READ3args args{wire(file), offset, count};
        return call<READ3res>("READ", rpc_nfs3_read_async, args, [&](const READ3res& result) {
            const auto& data = result.READ3res_u.resok.data;
            bytes.assign(data.data_val, data.data_val + data.data_len);
        });
    }

    std::uint32_t write(const Handle& file, std::uint64_t offset, const Bytes& bytes, bool stable,
                        Verifier& verifier) override {
        const auto count = static_cast<u_int>(bytes.size());
        auto* data = reinterpret_cast<char*>(const_cast<unsigned char*>(bytes.data()));
        WRITE3args args{wire(file), offset, count, stable ? FILE_SYNC : UNSTABLE, {count, data}};
        u_int written = 0;
        const std::uint32_t status = call<WRITE3res>("WRITE", rpc_nfs3_write_async, args, [&](const WRITE3res& result) {
            written = result.WRITE3res_u.resok.count;
            verifier = copy(result.WRITE3res_u.resok.verf);
        });
        if (status == status_ok && written != count) throw CallError("WRITE: not all bytes at once");
        return status;
    }

    std::uint32_t commit(const Handle& file, Verifier& verifier) override {
        COMMIT3args args{wire(file), 0, 0};
        return call<COMMIT3res>("COMMIT", rpc_nfs3_commit_async, args,
                                [&](const COMMIT3res& result) { verifier = copy(result.COMMIT3res_u.resok.verf); });
    }

    std::uint32_t last_number() override { return nfs_.number(); }
    void number_next_call(std::uint32_t number) override { nfs_.number_next_call(number); }

 private:
    static Handle mount(const ServerAddress& server) {
        RpcConnection connection(server.address, server.mount_port, MOUNT_PROGRAM, MOUNT_V3, server.call_limit);
        Handle root;
        std::string path = server.export_path;
        connection.call<mountres3>(
            "MNT",
            [&](rpc_context* rpc, rpc_cb callback, void* data) {
                return rpc_mount3_mnt_async(rpc, callback, path.data(), data);
            },
            [&](const mountres3& result) {
                const fhandle3& handle = result.mountres3_u.mountinfo.fhandle;
                if (result.fhs_status == MNT3_OK)
                    root.assign(handle.fhandle3_val, handle.fhandle3_val + handle.fhandle3_len);
            });
        if (root.empty()) throw CallError("MNT " + path + " is refused");
        return root;
    }

    static bool take(const post_op_fh3& given, Handle& handle) {
        if (given.handle_follows != 0) handle = copy(given.post_op_fh3_u.handle);
        return given.handle_follows != 0;
    }

    // `take` sees results that are ok. A server that is busy (JUKEBOX) is asked again.
    template <class Result, class Async, class Args, class Take>
    std::uint32_t call(const char* what, Async async, Args& args, Take take) {
        for (int attempt = 0;; ++attempt) {
            std::uint32_t status = NFS3ERR_SERVERFAULT;
            nfs_.call<Result>(
                what, [&](rpc_context* rpc, rpc_cb callback, void* data) { return async(rpc, callback, &args, data); },
                [&](const Result& result) {
                    status = static_cast<std::uint32_t>(result.status);
                    if (status == status_ok) take(result);
                });
            if (status != NFS3ERR_JUKEBOX || attempt == 100) return status;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
    }

    RpcConnection nfs_;
    Handle root_;
};

}  // namespace

Refused::Refused(const std::string& what, std::uint32_t why)
    : CallError(what + ": " + nfsstat3_to_str(static_cast<int>(why))), status(why) {}

std::unique_ptr<RemoteTree> connect_tree(const ServerAddress& server, const std::string& directory) {
    return std::make_unique<NfsTree>(server, directory);
}

}  // namespace lockstep::workloads
