// Clients whose calls go out one at a time.
#include <nfsc/libnfs.h>
// libnfs' raw headers want libnfs.h first.
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>

#include "bench/nfs_load_client.hpp"
#include "netns_harness/workloads/rpc_connection.hpp"

namespace lockstep::bench {
namespace {

using workloads::CallError;
using workloads::RpcConnection;
using Handle = std::vector<char>;

nfs_fh3 wire(Handle& handle) {
    return {{static_cast<u_int>(handle.size()), handle.data()}};
}

Handle copy(const nfs_fh3& handle) {
    return {handle.data.data_val, handle.data.data_val + handle.data.data_len};
}

Handle mount(const workloads::ServerAddress& server) {
    RpcConnection connection(server.address, server.mount_port, MOUNT_PROGRAM, MOUNT_V3, server.call_limit);
    std::string path = server.export_path;
    Handle root;
    const auto start = [&](rpc_context* rpc, rpc_cb callback, void* data) {
        return rpc_mount3_mnt_async(rpc, callback, path.data(), data);
    };
    connection.call<mountres3>("MNT", start, [&](const mountres3& result) {
        const fhandle3& handle = result.mountres3_u.mountinfo.fhandle;
        if (result.fhs_status == MNT3_OK) root.assign(handle.fhandle3_val, handle.fhandle3_val + handle.fhandle3_len);
    });
    if (root.empty()) throw CallError("MNT " + path + " was refused");
    return root;
}

// One connection with its directory, in which there is a file to look at.
class CallClient final : public LoadClient {
 public:
    CallClient(const workloads::ServerAddress& server, Operation operation, unsigned number)
        : operation_(operation),
          rpc_(server.address, server.nfs_port, NFS_PROGRAM, NFS_V3, server.call_limit),
          directory_(mount(server)) {
        directory_ = make_directory("load-" + std::to_string(number) + "-" +
                                    std::to_string(Clock::now().time_since_epoch().count()));
        file_ = create(there_);
        calls = 0;
    }

    void run(Clock::time_point deadline) override {
        for (auto began = Clock::now(); began < deadline; began = Clock::now()) {
            unit();
            finished(began);
        }
    }

 private:
    void unit() {
        switch (operation_) {
            case Operation::small_file:
                return small_file();
            case Operation::small_commit:
                return small_commit();
            case Operation::metadata:
                return metadata();
            case Operation::get_attributes:
                return get_attributes(file_);
            default:
                return look_up(there_);
        }
    }

    void small_file() {
        Handle file = create(first_name_);
        write(file, FILE_SYNC);
        remove(first_name_);
    }

    void small_commit() {
        Handle file = create(first_name_);
        write(file, UNSTABLE);
        commit(file);
        remove(first_name_);
    }

    void metadata() {
        Handle file = create(first_name_);
        get_attributes(file);
        look_up(first_name_);
        set_attributes(file);
        rename(first_name_, second_name_);
        remove(second_name_);
    }

    // A call that must succeed; `take` looks at the reply while it lives.
    template <class Result, class Async, class Args, class Take>
    void call(const char* what, Async async, Args& args, Take take) {
        int status = NFS3_OK;
        const auto start = [&](rpc_context* rpc, rpc_cb callback, void* data) {
            return async(rpc, callback, &args, data);
        };
        rpc_.call<Result>(what, start, [&](const Result& result) {
            status = result.status;
            if (status == NFS3_OK) take(result);
        });
        if (status != NFS3_OK) throw CallError(std::string(what) + ": " + nfsstat3_to_str(status));
        ++calls;
    }

    Handle make_directory(std::string name) {
        MKDIR3args args{};
        args.where = {wire(directory_), name.data()};
        Handle made;
        call<MKDIR3res>("MKDIR", rpc_nfs3_mkdir_async, args, [&](const MKDIR3res& result) {
            made = copy(result.MKDIR3res_u.resok.obj.post_op_fh3_u.handle);
        });
        return made;
    }

    Handle create(std::string& name) {
        CREATE3args args{};
        args.where = {wire(directory_), name.data()};
        args.how.mode = UNCHECKED;
        args.how.createhow3_u.obj_attributes.mode.set_it = 1;
        args.how.createhow3_u.obj_attributes.mode.set_mode3_u.mode = 0644;
        Handle made;
        call<CREATE3res>("CREATE", rpc_nfs3_create_async, args, [&](const CREATE3res& result) {
            made = copy(result.CREATE3res_u.resok.obj.post_op_fh3_u.handle);
        });
        return made;
    }

    void write(Handle& file, stable_how stable) {
        char content[100] = "small";
        WRITE3args args{wire(file), 0, sizeof content, stable, {sizeof content, content}};
        call<WRITE3res>("WRITE", rpc_nfs3_write_async, args, [](const WRITE3res&) {});
    }

    void commit(Handle& file) {
        COMMIT3args args{wire(file), 0, 0};
        call<COMMIT3res>("COMMIT", rpc_nfs3_commit_async, args, [](const COMMIT3res&) {});
    }

    void remove(std::string& name) {
        REMOVE3args args{{wire(directory_), name.data()}};
        call<REMOVE3res>("REMOVE", rpc_nfs3_remove_async, args, [](const REMOVE3res&) {});
    }

    void get_attributes(Handle& file) {
        GETATTR3args args{wire(file)};
        call<GETATTR3res>("GETATTR", rpc_nfs3_getattr_async, args, [](const GETATTR3res&) {});
    }

    void look_up(std::string& name) {
        LOOKUP3args args{{wire(directory_), name.data()}};
        call<LOOKUP3res>("LOOKUP", rpc_nfs3_lookup_async, args, [](const LOOKUP3res&) {});
    }

    void set_attributes(Handle& file) {
        SETATTR3args args{};
        args.object = wire(file);
        args.new_attributes.mode.set_it = 1;
        args.new_attributes.mode.set_mode3_u.mode = 0600;
        call<SETATTR3res>("SETATTR", rpc_nfs3_setattr_async, args, [](const SETATTR3res&) {});
    }

    void rename(std::string& from, std::string& to) {
        RENAME3args args{{wire(directory_), from.data()}, {wire(directory_), to.data()}};
        call<RENAME3res>("RENAME", rpc_nfs3_rename_async, args, [](const RENAME3res&) {});
    }

    const Operation operation_;
    RpcConnection rpc_;
    Handle directory_;
    Handle file_;
    std::string there_ = "there";
    std::string first_name_ = "first";
    std::string second_name_ = "second";
};

}  // namespace

std::unique_ptr<LoadClient> make_call_client(const workloads::ServerAddress& server, Operation operation,
                                             unsigned number) {
    return std::make_unique<CallClient>(server, operation, number);
}

}  // namespace lockstep::bench
