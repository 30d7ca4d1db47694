#include "bench/nfs_load.hpp"

#include <nfsc/libnfs.h>
// libnfs' raw headers want libnfs.h first.
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>

#include <atomic>
#include <exception>
#include <latch>
#include <mutex>
#include <thread>
#include <vector>

#include "netns_harness/workloads/rpc_connection.hpp"

namespace lockstep::bench {
namespace {

using workloads::CallError;
using workloads::RpcConnection;
using Clock = std::chrono::steady_clock;
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

// One connection with its directory; counts its calls.
class LoadConnection {
 public:
    LoadConnection(const workloads::ServerAddress& server, unsigned number)
        : rpc_(server.address, server.nfs_port, NFS_PROGRAM, NFS_V3, server.call_limit), directory_(mount(server)) {
        directory_ = make_directory("load-" + std::to_string(number) + "-" +
                                    std::to_string(Clock::now().time_since_epoch().count()));
        calls_ = 0;
    }

    void small_file() {
        Handle file = create(first_name_);
        write(file);
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

    std::uint64_t calls() const { return calls_; }

 private:
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
        ++calls_;
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

    void write(Handle& file) {
        char content[100] = "small";
        WRITE3args args{wire(file), 0, sizeof content, FILE_SYNC, {sizeof content, content}};
        call<WRITE3res>("WRITE", rpc_nfs3_write_async, args, [](const WRITE3res&) {});
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

    RpcConnection rpc_;
    Handle directory_;
    std::string first_name_ = "first";
    std::string second_name_ = "second";
    std::uint64_t calls_ = 0;
};

}  // namespace

LoadResult load(const workloads::ServerAddress& server, Operation operation, unsigned connections,
                std::chrono::milliseconds duration) {
    std::latch connected(connections + 1);
    std::atomic<std::uint64_t> calls{0};
    std::mutex mutex;
    std::exception_ptr failure;
    const auto work = [&](unsigned number) {
        LoadConnection connection(server, number);
        connected.arrive_and_wait();
        const auto deadline = Clock::now() + duration;
        while (Clock::now() < deadline)
            operation == Operation::small_file ? connection.small_file() : connection.metadata();
        calls += connection.calls();
    };
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < connections; ++number)
        threads.emplace_back([&, number] {
            try {
                work(number);
            } catch (...) {
                const std::lock_guard hold(mutex);
                if (!failure) failure = std::current_exception();
                if (!connected.try_wait()) connected.count_down();
            }
        });
    connected.arrive_and_wait();
    const auto begin = Clock::now();
    for (std::thread& thread : threads) thread.join();
    if (failure) std::rethrow_exception(failure);
    return {calls, Clock::now() - begin};
}

}  // namespace lockstep::bench
