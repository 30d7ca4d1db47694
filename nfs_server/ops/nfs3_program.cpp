#include "nfs_server/ops/nfs3_program.hpp"

#include "nfs_server/ops/procedures.hpp"
#include "nfs_server/ops/runner.hpp"

namespace lockstep::server::ops {

namespace w = wire;

rpc::Program make_nfs3_program(const Service& service) {
    rpc::Program nfs(NFS_PROGRAM, NFS_V3, "NFS");
    // A row: number, promise, and, four times, the name; the compiler holds the types together.
    auto add = [&](std::uint32_t number, const char* name, auto xdr_args, auto xdr_res, auto arms, Promise promise,
                   auto body) { nfs.add(number, name, xdr_args, xdr_res, handler(service, promise, arms, body)); };
    using enum Promise;
#define PROCEDURE(NAME, promise, body) \
    add(NFSPROC3_##NAME, #NAME, w::xdr_##NAME##3args, w::xdr_##NAME##3res, &w::NAME##3res ::NAME##3res_u, promise, body)
    PROCEDURE(GETATTR, nothing, getattr);
    PROCEDURE(SETATTR, stable, setattr);
    PROCEDURE(LOOKUP, nothing, lookup);
    PROCEDURE(ACCESS, nothing, access);
    PROCEDURE(READLINK, nothing, readlink);
    PROCEDURE(READ, nothing, read);
    PROCEDURE(WRITE, by_the_body, write);
    PROCEDURE(CREATE, stable, create);
    PROCEDURE(MKDIR, stable, mkdir);
    PROCEDURE(SYMLINK, stable, symlink);
    PROCEDURE(MKNOD, stable, mknod);
    PROCEDURE(REMOVE, stable, remove);
    PROCEDURE(RMDIR, stable, rmdir);
    PROCEDURE(RENAME, stable, rename);
    PROCEDURE(LINK, stable, link);
    PROCEDURE(READDIR, nothing, readdir);
    PROCEDURE(READDIRPLUS, nothing, readdirplus);
    PROCEDURE(FSSTAT, nothing, fsstat);
    PROCEDURE(FSINFO, nothing, fsinfo);
    PROCEDURE(PATHCONF, nothing, pathconf);
    PROCEDURE(COMMIT, by_the_body, commit);
#undef PROCEDURE
    return nfs;
}

}  // namespace lockstep::server::ops
