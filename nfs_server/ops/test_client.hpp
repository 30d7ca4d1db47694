// The procedures of NFS version 3, called without a network, as tests and the crash explorer do. Layer: ops.
#pragma once

#include <atomic>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "nfs_server/ops/procedures.hpp"
#include "nfs_server/ops/runner.hpp"
#include "nfs_server/ops/verifier.hpp"

namespace lockstep::server::ops::test {

/// A handle's bytes, owned.
using Handle = std::string;

inline Handle to_handle(const wire::nfs_fh3& handle) {
    return Handle(handle.data.data_val, handle.data.data_len);
}
inline Handle to_handle(const wire::post_op_fh3& handle) {
    return to_handle(handle.post_op_fh3_u.handle);
}

inline wire::sattr3 with_mode(std::uint32_t mode) {
    wire::sattr3 attributes{};
    attributes.mode.set_it = TRUE;
    attributes.mode.set_mode3_u.mode = mode;
    return attributes;
}
inline wire::sattr3 with_size(std::uint64_t size) {
    wire::sattr3 attributes{};
    attributes.size.set_it = TRUE;
    attributes.size.set_size3_u.size = size;
    return attributes;
}
inline wire::sattr3 with_owner(std::uint32_t uid) {
    wire::sattr3 attributes{};
    attributes.uid.set_it = TRUE;
    attributes.uid.set_uid3_u.uid = uid;
    return attributes;
}
inline wire::sattr3 with_group(std::uint32_t gid) {
    wire::sattr3 attributes{};
    attributes.gid.set_it = TRUE;
    attributes.gid.set_gid3_u.gid = gid;
    return attributes;
}
inline wire::sattr3 with_times(wire::time_how how, wire::nfstime3 time = {}) {
    wire::sattr3 attributes{};
    attributes.atime.set_it = attributes.mtime.set_it = how;
    attributes.atime.set_atime_u.atime = attributes.mtime.set_mtime_u.mtime = time;
    return attributes;
}

/// Who calls. The superuser by default.
struct Caller {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::uint32_t> groups{};
};

/// One thread's view of the server: its own arena, its own identity.
class TestClient {
 public:
    explicit TestClient(const Service& service, Caller caller = {}) : service_(service), caller_(std::move(caller)) {}

    void become(Caller caller) { caller_ = std::move(caller); }

    /// Calls a procedure's body through the runner, as the rpc layer would.
    template <class Args, class Res, class Arms, class... Rest>
    Res call(std::uint32_t procedure, Promise promise, Arms Res::*arms,
             Outcome<void> (*body)(Request&, const Args&, Rest&...), const Args& args) {
        return call_with<Res>(procedure, handler(service_, promise, arms, body), args);
    }

    /// The same for a procedure that changes something: executed once, where calls are numbered.
    template <class Args, class Res, class Arms, class... Rest>
    Res call_once(std::uint32_t procedure, Promise promise, Arms Res::*arms,
                  Outcome<void> (*body)(Request&, const Args&, Rest&...), bool_t (*xdr_res)(XDR*, Res*),
                  const Args& args) {
        return call_with<Res>(procedure, handler(service_, promise, arms, body, xdr_res), args);
    }

    /// From now on calls have numbers, from `xid` on, and the server keeps the replies to those that change something.
    void number_calls_from(std::uint32_t xid) { next_xid_ = xid; }
    /// The number of the last call.
    std::uint32_t last_xid() const { return *next_xid_ - 1; }
    /// Comes from another address from now on.
    void move_to(const rpc::PeerAddress& peer) { peer_ = peer; }

    template <class Res, class Args, class Handler>
    Res call_with(std::uint32_t procedure, Handler handle, const Args& args) {
        rpc::Credentials credentials;
        credentials.is_auth_sys = true;
        credentials.uid = caller_.uid;
        credentials.gid = caller_.gid;
        credentials.supplementary_gids = caller_.groups;
        const CallContext context{.request_id = ++request_id_,
                                  .connection_id = 1,
                                  .xid = next_xid_ ? (*next_xid_)++ : 0,
                                  .program = NFS_PROGRAM,
                                  .version = NFS_V3,
                                  .procedure = procedure,
                                  .peer = peer_,
                                  .credentials = credentials,
                                  .arena = arena_,
                                  .fingerprint = next_xid_ ? 1u : 0u};
        Res res{};
        handle(context, args, res);
        return res;
    }

#define LOCKSTEP_TEST_CALL(NAME, promise, body, args) \
    call(NFSPROC3_##NAME, Promise::promise, &wire::NAME##3res ::NAME##3res_u, body, args)

#define LOCKSTEP_TEST_CALL_ONCE(NAME, promise, body, args) \
    call_once(NFSPROC3_##NAME, Promise::promise, &wire::NAME##3res ::NAME##3res_u, body, wire::xdr_##NAME##3res, args)

    wire::GETATTR3res getattr(const Handle& file) {
        return LOCKSTEP_TEST_CALL(GETATTR, nothing, ops::getattr, wire::GETATTR3args{fh(file)});
    }
    wire::SETATTR3res setattr(const Handle& file, const wire::sattr3& attributes,
                              const wire::nfstime3* guard = nullptr) {
        wire::SETATTR3args args{fh(file), attributes, {}};
        args.guard.check = guard != nullptr;
        if (guard != nullptr) args.guard.sattrguard3_u.obj_ctime = *guard;
        return LOCKSTEP_TEST_CALL_ONCE(SETATTR, stable, ops::setattr, args);
    }
    wire::LOOKUP3res lookup(const Handle& directory, const std::string& name) {
        return LOCKSTEP_TEST_CALL(LOOKUP, nothing, ops::lookup, wire::LOOKUP3args{where(directory, name)});
    }
    wire::ACCESS3res access(const Handle& file, std::uint32_t rights) {
        return LOCKSTEP_TEST_CALL(ACCESS, nothing, ops::access, (wire::ACCESS3args{fh(file), rights}));
    }
    wire::READLINK3res readlink(const Handle& link) {
        return LOCKSTEP_TEST_CALL(READLINK, nothing, ops::readlink, wire::READLINK3args{fh(link)});
    }
    wire::READ3res read(const Handle& file, std::uint64_t offset, std::uint32_t count) {
        return LOCKSTEP_TEST_CALL(READ, nothing, ops::read, (wire::READ3args{fh(file), offset, count}));
    }
    wire::WRITE3res write(const Handle& file, std::uint64_t offset, const std::string& data,
                          wire::stable_how stable = wire::FILE_SYNC) {
        return write_claiming(file, offset, data, static_cast<std::uint32_t>(data.size()), stable);
    }
    wire::WRITE3res write_claiming(const Handle& file, std::uint64_t offset, const std::string& data,
                                   std::uint32_t count, wire::stable_how stable = wire::FILE_SYNC) {
        wire::WRITE3args args{fh(file), offset, count, stable, {}};
        args.data.data_len = static_cast<u_int>(data.size());
        args.data.data_val = const_cast<char*>(data.data());
        return LOCKSTEP_TEST_CALL_ONCE(WRITE, by_the_body, ops::write, args);
    }
    wire::CREATE3res create(const Handle& directory, const std::string& name, wire::createmode3 mode = wire::GUARDED,
                            const wire::sattr3& attributes = with_mode(0644)) {
        wire::CREATE3args args{where(directory, name), {}};
        args.how.mode = mode;
        args.how.createhow3_u.obj_attributes = attributes;
        return LOCKSTEP_TEST_CALL_ONCE(CREATE, stable, ops::create, args);
    }
    wire::CREATE3res create_exclusive(const Handle& directory, const std::string& name, std::uint64_t verifier) {
        wire::CREATE3args args{where(directory, name), {}};
        args.how.mode = wire::EXCLUSIVE;
        set_verifier(args.how.createhow3_u.verf, verifier);
        return LOCKSTEP_TEST_CALL_ONCE(CREATE, stable, ops::create, args);
    }
    wire::MKDIR3res mkdir(const Handle& directory, const std::string& name,
                          const wire::sattr3& attributes = with_mode(0755)) {
        return LOCKSTEP_TEST_CALL_ONCE(MKDIR, stable, ops::mkdir,
                                       (wire::MKDIR3args{where(directory, name), attributes}));
    }
    wire::SYMLINK3res symlink(const Handle& directory, const std::string& name, const std::string& text) {
        wire::SYMLINK3args args{where(directory, name), {}};
        args.symlink.symlink_data = const_cast<char*>(text.c_str());
        return LOCKSTEP_TEST_CALL_ONCE(SYMLINK, stable, ops::symlink, args);
    }
    wire::MKNOD3res mknod(const Handle& directory, const std::string& name, wire::ftype3 type,
                          wire::specdata3 device = {}) {
        wire::MKNOD3args args{where(directory, name), {}};
        args.what.type = type;
        args.what.mknoddata3_u.device.dev_attributes = with_mode(0600);
        if (type == wire::NF3CHR || type == wire::NF3BLK) args.what.mknoddata3_u.device.spec = device;
        return LOCKSTEP_TEST_CALL_ONCE(MKNOD, stable, ops::mknod, args);
    }
    wire::REMOVE3res remove(const Handle& directory, const std::string& name) {
        return LOCKSTEP_TEST_CALL_ONCE(REMOVE, stable, ops::remove, wire::REMOVE3args{where(directory, name)});
    }
    wire::RMDIR3res rmdir(const Handle& directory, const std::string& name) {
        return LOCKSTEP_TEST_CALL_ONCE(RMDIR, stable, ops::rmdir, wire::RMDIR3args{where(directory, name)});
    }
    wire::RENAME3res rename(const Handle& from, const std::string& from_name, const Handle& to,
                            const std::string& to_name) {
        return LOCKSTEP_TEST_CALL_ONCE(RENAME, stable, ops::rename,
                                       (wire::RENAME3args{where(from, from_name), where(to, to_name)}));
    }
    wire::LINK3res link(const Handle& file, const Handle& directory, const std::string& name) {
        return LOCKSTEP_TEST_CALL_ONCE(LINK, stable, ops::link, (wire::LINK3args{fh(file), where(directory, name)}));
    }
    wire::READDIR3res readdir(const Handle& directory, std::uint64_t cookie = 0, std::uint64_t verifier = 0,
                              std::uint32_t count = 8192) {
        wire::READDIR3args args{fh(directory), cookie, {}, count};
        set_verifier(args.cookieverf, verifier);
        return LOCKSTEP_TEST_CALL(READDIR, nothing, ops::readdir, args);
    }
    wire::READDIRPLUS3res readdirplus(const Handle& directory, std::uint64_t cookie = 0, std::uint64_t verifier = 0,
                                      std::uint32_t dircount = 8192, std::uint32_t maxcount = 32768) {
        wire::READDIRPLUS3args args{fh(directory), cookie, {}, dircount, maxcount};
        set_verifier(args.cookieverf, verifier);
        return LOCKSTEP_TEST_CALL(READDIRPLUS, nothing, ops::readdirplus, args);
    }
    wire::FSSTAT3res fsstat(const Handle& root) {
        return LOCKSTEP_TEST_CALL(FSSTAT, nothing, ops::fsstat, wire::FSSTAT3args{fh(root)});
    }
    wire::FSINFO3res fsinfo(const Handle& root) {
        return LOCKSTEP_TEST_CALL(FSINFO, nothing, ops::fsinfo, wire::FSINFO3args{fh(root)});
    }
    wire::PATHCONF3res pathconf(const Handle& file) {
        return LOCKSTEP_TEST_CALL(PATHCONF, nothing, ops::pathconf, wire::PATHCONF3args{fh(file)});
    }
    wire::COMMIT3res commit(const Handle& file) {
        return LOCKSTEP_TEST_CALL(COMMIT, by_the_body, ops::commit, (wire::COMMIT3args{fh(file), 0, 0}));
    }
#undef LOCKSTEP_TEST_CALL
#undef LOCKSTEP_TEST_CALL_ONCE

    // Short forms for what a test only needs as a means.
    Handle must_create(const Handle& directory, const std::string& name, std::uint32_t mode = 0644) {
        const auto res = create(directory, name, wire::GUARDED, with_mode(mode));
        must(res.status, "CREATE " + name);
        return to_handle(res.CREATE3res_u.resok.obj);
    }
    Handle must_mkdir(const Handle& directory, const std::string& name, std::uint32_t mode = 0755) {
        const auto res = mkdir(directory, name, with_mode(mode));
        must(res.status, "MKDIR " + name);
        return to_handle(res.MKDIR3res_u.resok.obj);
    }
    wire::fattr3 attributes(const Handle& file) {
        const auto res = getattr(file);
        must(res.status, "GETATTR");
        return res.GETATTR3res_u.resok.obj_attributes;
    }
    std::string content(const Handle& file) {
        const auto res = read(file, 0, 1 << 20);
        must(res.status, "READ");
        const auto& data = res.READ3res_u.resok.data;
        return std::string(data.data_val, data.data_len);
    }
    std::vector<std::string> names(const Handle& directory) {
        std::vector<std::string> found;
        std::uint64_t cookie = 0, verifier = 0;
        for (;;) {
            const auto res = readdir(directory, cookie, verifier);
            must(res.status, "READDIR");
            const auto& ok = res.READDIR3res_u.resok;
            verifier = get_verifier(ok.cookieverf);
            for (const wire::entry3* entry = ok.reply.entries; entry != nullptr; entry = entry->nextentry) {
                found.emplace_back(entry->name);
                cookie = entry->cookie;
            }
            if (ok.reply.eof) return found;
        }
    }

    /// Forgets all replies so far.
    void reset() {
        arena_.reset();
    }

 private:
    static wire::nfs_fh3 fh(const Handle& handle) {
        wire::nfs_fh3 result{};
        result.data.data_len = static_cast<u_int>(handle.size());
        result.data.data_val = const_cast<char*>(handle.data());
        return result;
    }
    static wire::diropargs3 where(const Handle& directory, const std::string& name) {
        return {fh(directory), const_cast<char*>(name.c_str())};
    }
    static void must(wire::nfsstat3 status, const std::string& what) {
        if (status != wire::NFS3_OK) throw std::runtime_error(what + " failed with status " + std::to_string(status));
    }

    const Service& service_;
    Caller caller_;
    Arena arena_;
    rpc::PeerAddress peer_;
    std::optional<std::uint32_t> next_xid_{};
    inline static std::atomic<std::uint64_t> request_id_{0};
};

}  // namespace lockstep::server::ops::test
