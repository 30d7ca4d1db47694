#include "nfs_server/ops/nfs3_program.hpp"

#include "nfs_server/ops/procedures.hpp"
#include "nfs_server/ops/runner.hpp"
#include "nfs_server/ops/write_payload.hpp"

namespace lockstep::server::ops {

namespace w = wire;

namespace {

// Who records operations wants the data in the arguments.
template <class Handler>
auto whole_if_recorded(Handler handler) {
    return [handler](const CallContext& call, const w::WRITE3args& args, w::WRITE3res& res) {
        if (call.payload == nullptr || !is_recording()) return handler(call, args, res);
        const auto data = call.arena.bytes(call.payload->size_bytes());
        call.payload->read(0, data);
        w::WRITE3args whole = args;
        whole.data = {static_cast<u_int>(data.size()), reinterpret_cast<char*>(data.data())};
        CallContext without_payload = call;
        without_payload.payload = nullptr;
        handler(without_payload, whole, res);
    };
}

}  // namespace

rpc::Program make_nfs3_program(const Service& service) {
    rpc::Program nfs(NFS_PROGRAM, NFS_V3, "NFS");
    // A row: number, promise, and, four times, the name; the compiler holds the types together.
    auto add = [&](std::uint32_t number, const char* name, auto xdr_args, auto xdr_res, auto arms, Promise promise,
                   auto body) { nfs.add(number, name, xdr_args, xdr_res, handler(service, promise, arms, body)); };
    // The same for a procedure that may not be executed twice.
    auto add_once = [&](std::uint32_t number, const char* name, auto xdr_args, auto xdr_res, auto arms, Promise promise,
                        auto body) {
        nfs.add(number, name, xdr_args, xdr_res, handler(service, promise, arms, body, xdr_res));
        nfs.fingerprint_calls(number);
    };
    nfs.set_fingerprint_key(service.file_system.superblock().handle_key);
    using enum Promise;
#define ROW(add, NAME, promise, body) \
    add(NFSPROC3_##NAME, #NAME, w::xdr_##NAME##3args, w::xdr_##NAME##3res, &w::NAME##3res ::NAME##3res_u, promise, body)
#define PROCEDURE(NAME, promise, body) ROW(add, NAME, promise, body)
#define CHANGING(NAME, promise, body) ROW(add_once, NAME, promise, body)
    PROCEDURE(GETATTR, nothing, getattr);
    CHANGING(SETATTR, stable, setattr);
    PROCEDURE(LOOKUP, nothing, lookup);
    PROCEDURE(ACCESS, nothing, access);
    PROCEDURE(READLINK, nothing, readlink);
    PROCEDURE(READ, nothing, read);
    CHANGING(CREATE, stable, create);
    CHANGING(MKDIR, stable, mkdir);
    CHANGING(SYMLINK, stable, symlink);
    CHANGING(MKNOD, stable, mknod);
    CHANGING(REMOVE, stable, remove);
    CHANGING(RMDIR, stable, rmdir);
    CHANGING(RENAME, stable, rename);
    CHANGING(LINK, stable, link);
    PROCEDURE(READDIR, nothing, readdir);
    PROCEDURE(READDIRPLUS, nothing, readdirplus);
    PROCEDURE(FSSTAT, nothing, fsstat);
    PROCEDURE(FSINFO, nothing, fsinfo);
    PROCEDURE(PATHCONF, nothing, pathconf);
    PROCEDURE(COMMIT, by_the_body, commit);
    nfs.add(NFSPROC3_WRITE, "WRITE", w::xdr_WRITE3args, w::xdr_WRITE3res,
            whole_if_recorded(handler(service, by_the_body, &w::WRITE3res::WRITE3res_u, write, w::xdr_WRITE3res)));
    nfs.fingerprint_calls(NFSPROC3_WRITE);
    nfs.receive_apart(NFSPROC3_WRITE, find_write_payload);
#undef PROCEDURE
#undef CHANGING
#undef ROW
    return nfs;
}

}  // namespace lockstep::server::ops
