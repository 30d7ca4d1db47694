// RemoteFiles over NFSv3 (RFC 1813) and NLM v4 (RFC 1813, appendix II) with libnfs' raw calls.
#include "netns_harness/workloads/remote_files.hpp"

#include <nfsc/libnfs.h>
// libnfs' raw headers want libnfs.h first.
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <nfsc/libnfs-raw-nlm.h>
#include <nfsc/libnfs-raw-nsm.h>

#include <unistd.h>

#include <cstring>
#include <thread>

#include "netns_harness/workloads/rpc_connection.hpp"

namespace lockstep::workloads {
namespace {

using Handle = std::vector<char>;

nfs_fh3 wire(Handle& handle) {
    return {{static_cast<u_int>(handle.size()), handle.data()}};
}

Handle copy(const nfs_fh3& handle) {
    return {handle.data.data_val, handle.data.data_val + handle.data.data_len};
}

void expect_ok(const char* what, int status) {
    if (status != NFS3_OK) throw CallError(std::string(what) + ": " + nfsstat3_to_str(status));
}

class NfsFiles : public RemoteFiles {
 public:
    NfsFiles(const ServerAddress& server, const OwnerName& owner, const std::string& directory,
             const std::vector<std::string>& file_names)
        : owner_(owner),
          owner_handle_(owner.text()),
          lock_wait_(server.lock_wait),
          grace_wait_(server.grace_wait),
          nfs_(server.address, server.nfs_port, NFS_PROGRAM, NFS_V3, server.call_limit),
          nlm_(server.address, server.nlm_port, NLM_PROGRAM, NLM_V4, server.call_limit) {
        Handle root = mount(server);
        Handle made = make_directory(root, directory);
        for (const std::string& name : file_names) files_.push_back(make_file(made, name));
    }

    std::uint32_t lock(std::size_t file, Range range, Mode mode) override {
        NLM4_LOCKargs args{};
        args.cookie = cookie();
        args.exclusive = mode == Mode::exclusive ? 1 : 0;
        args.lock = wire_lock(file, range);
        args.block = lock_wait_.count() > 0 ? 1 : 0;
        const std::uint32_t status = ask_until_answered(args);
        if (status != NLM4_GRANTED && status != NLM4_DENIED && status != NLM4_DEADLCK)
            throw CallError("LOCK: nlm status " + std::to_string(status));
        return status;
    }

    std::uint32_t reclaim(std::size_t file, Range range, Mode mode) override {
        NLM4_LOCKargs args{};
        args.cookie = cookie();
        args.exclusive = mode == Mode::exclusive ? 1 : 0;
        args.lock = wire_lock(file, range);
        args.reclaim = 1;
        return lock_call<NLM4_LOCKres>("LOCK", rpc_nlm4_lock_async, args);
    }

    // This client has no lock manager that could be called back: it asks again until it has the lock.
    std::uint32_t ask_until_answered(NLM4_LOCKargs& args) {
        const auto asked = std::chrono::steady_clock::now();
        const auto until = asked + lock_wait_;
        for (;;) {
            const std::uint32_t status = lock_call<NLM4_LOCKres>("LOCK", rpc_nlm4_lock_async, args);
            if (status == NLM4_DENIED_GRACE_PERIOD && std::chrono::steady_clock::now() < asked + grace_wait_) {
                std::this_thread::sleep_for(std::chrono::milliseconds(10));
                continue;
            }
            if (status != NLM4_BLOCKED) return status;
            if (std::chrono::steady_clock::now() >= until) return withdraw(args);
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }

    std::uint32_t withdraw(const NLM4_LOCKargs& asked) {
        NLM4_CANCargs args{};
        args.cookie = asked.cookie;
        args.block = asked.block;
        args.exclusive = asked.exclusive;
        args.lock = asked.lock;
        const std::uint32_t status = lock_call<NLM4_CANCres>("CANCEL", rpc_nlm4_cancel_async, args);
        // Nothing to cancel: our request was waiting a moment ago, and only we can confirm a grant.
        if (status != NLM4_GRANTED) throw CallError("CANCEL: nlm status " + std::to_string(status));
        return NLM4_DENIED;
    }

    void unlock(std::size_t file, Range range) override {
        NLM4_UNLOCKargs args{};
        args.cookie = cookie();
        args.lock = wire_lock(file, range);
        const std::uint32_t status = lock_call<NLM4_UNLOCKres>("UNLOCK", rpc_nlm4_unlock_async, args);
        if (status != NLM4_GRANTED) throw CallError("UNLOCK: nlm status " + std::to_string(status));
    }

    Bytes read(std::size_t file, std::uint64_t offset, std::uint32_t count) override {
        READ3args args{wire(files_.at(file)), offset, count};
        Bytes bytes(count, 0);
        const auto take = [&](const READ3res& result) {
            const READ3resok& ok = result.READ3res_u.resok;
            if (result.status == NFS3_OK && ok.data.data_len > 0)
                std::memcpy(bytes.data(), ok.data.data_val, std::min<std::size_t>(count, ok.data.data_len));
        };
        nfs_call<READ3res>("READ", rpc_nfs3_read_async, args, take);
        return bytes;
    }

    void write(std::size_t file, std::uint64_t offset, const Bytes& bytes) override {
        Bytes content = bytes;
        const auto count = static_cast<u_int>(content.size());
        WRITE3args args{
            wire(files_.at(file)), offset, count, FILE_SYNC, {count, reinterpret_cast<char*>(content.data())}};
        u_int written = 0;
        nfs_call<WRITE3res>("WRITE", rpc_nfs3_write_async, args, [&](const WRITE3res& result) {
            if (result.status == NFS3_OK && result.WRITE3res_u.resok.committed == FILE_SYNC)
                written = result.WRITE3res_u.resok.count;
        });
        if (written != count)
            throw CallError("WRITE: asked for " + std::to_string(count) + " bytes stable, got " +
                            std::to_string(written));
    }

 private:
    static Handle mount(const ServerAddress& server) {
        RpcConnection connection(server.address, server.mount_port, MOUNT_PROGRAM, MOUNT_V3, server.call_limit);
        Handle root;
        int status = MNT3ERR_SERVERFAULT;
        std::string path = server.export_path;
        connection.call<mountres3>(
            "MNT", [&](auto... rest) { return start_mount(path, rest...); },
            [&](const mountres3& result) {
                status = result.fhs_status;
                const fhandle3& handle = result.mountres3_u.mountinfo.fhandle;
                if (status == MNT3_OK) root.assign(handle.fhandle3_val, handle.fhandle3_val + handle.fhandle3_len);
            });
        if (status != MNT3_OK) throw CallError("MNT " + path + ": " + mountstat3_to_str(status));
        return root;
    }

    static int start_mount(std::string& path, rpc_context* rpc, rpc_cb callback, void* data) {
        return rpc_mount3_mnt_async(rpc, callback, path.data(), data);
    }

    // An NFS call that must succeed. A server that is busy (JUKEBOX) is asked again.
    template <class Result, class Async, class Args, class Take>
    void nfs_call(const char* what, Async async, Args& args, Take take) {
        const int status = nfs_status<Result>(what, async, args, take);
        expect_ok(what, status);
    }

    template <class Result, class Async, class Args, class Take>
    int nfs_status(const char* what, Async async, Args& args, Take take) {
        int status = NFS3ERR_JUKEBOX;
        for (int attempt = 0; status == NFS3ERR_JUKEBOX && attempt < 100; ++attempt) {
            if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
            nfs_.call<Result>(
                what, [&](rpc_context* rpc, rpc_cb callback, void* data) { return async(rpc, callback, &args, data); },
                [&](const Result& result) {
                    status = result.status;
                    take(result);
                });
        }
        return status;
    }

    Handle make_directory(Handle& parent, const std::string& name) {
        std::string text = name;
        MKDIR3args args{};
        args.where = {wire(parent), text.data()};
        args.attributes.mode.set_it = 1;
        args.attributes.mode.set_mode3_u.mode = 0777;
        const int status = nfs_status<MKDIR3res>("MKDIR", rpc_nfs3_mkdir_async, args, [](const MKDIR3res&) {});
        if (status != NFS3ERR_EXIST) expect_ok("MKDIR", status);
        return look_up(parent, name);
    }

    Handle make_file(Handle& directory, const std::string& name) {
        std::string text = name;
        CREATE3args args{};
        args.where = {wire(directory), text.data()};
        args.how.mode = UNCHECKED;
        args.how.createhow3_u.obj_attributes.mode.set_it = 1;
        args.how.createhow3_u.obj_attributes.mode.set_mode3_u.mode = 0666;
        nfs_call<CREATE3res>("CREATE", rpc_nfs3_create_async, args, [](const CREATE3res&) {});
        return look_up(directory, name);
    }

    Handle look_up(Handle& directory, const std::string& name) {
        std::string text = name;
        LOOKUP3args args{{wire(directory), text.data()}};
        Handle found;
        nfs_call<LOOKUP3res>("LOOKUP", rpc_nfs3_lookup_async, args, [&](const LOOKUP3res& result) {
            if (result.status == NFS3_OK) found = copy(result.LOOKUP3res_u.resok.object);
        });
        return found;
    }

    template <class Result, class Async, class Args>
    std::uint32_t lock_call(const char* what, Async async, Args& args) {
        std::uint32_t status = NLM4_FAILED;
        nlm_.call<Result>(
            what, [&](rpc_context* rpc, rpc_cb callback, void* data) { return async(rpc, callback, &args, data); },
            [&](const Result& result) { status = result.status; });
        return status;
    }

    nlm_cookie cookie() {
        ++cookie_;
        return {{sizeof cookie_, reinterpret_cast<char*>(&cookie_)}};
    }

    nlm4_lock wire_lock(std::size_t file, Range range) {
        nlm4_lock result{};
        result.caller_name = owner_.host.data();
        result.fh = {{static_cast<u_int>(files_.at(file).size()), files_.at(file).data()}};
        result.oh = owner_handle_.data();
        result.svid = owner_.number;
        result.l_offset = range.first;
        result.l_len = range.last == UINT64_MAX ? 0 : range.last - range.first + 1;  // 0: to the end
        return result;
    }

    OwnerName owner_;
    std::string owner_handle_;
    std::chrono::milliseconds lock_wait_;
    std::chrono::milliseconds grace_wait_;
    RpcConnection nfs_;
    RpcConnection nlm_;
    std::vector<Handle> files_;
    std::uint32_t cookie_ = 0;
};

}  // namespace

std::unique_ptr<RemoteFiles> connect_files(const ServerAddress& server, const OwnerName& owner,
                                           const std::string& directory, const std::vector<std::string>& file_names) {
    return std::make_unique<NfsFiles>(server, owner, directory, file_names);
}

// An odd state number says that the host is up; each life has one of its own (RFC 1813's NSM, X/Open XNFS).
void notify_of_restart(const ServerAddress& server, const std::string& host, std::uint32_t life) {
    RpcConnection connection(server.address, server.nlm_port, NSM_PROGRAM, NSM_V1, server.call_limit);
    std::string name = host;
    NSM1_NOTIFYargs args{name.data(), static_cast<int>(2 * life + 1)};
    connection.call<void>(
        "NOTIFY",
        [&](rpc_context* rpc, rpc_cb callback, void* data) {
            return rpc_nsm1_notify_async(rpc, callback, &args, data);
        },
        [] {});
}

}  // namespace lockstep::workloads
