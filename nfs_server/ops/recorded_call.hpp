// Calls and replies as text, for nfs3:operation_recorded: what the reference model needs to judge them later. Its
// README (nfs_server/model) has the format; call_judge there reads it. Layer: ops.
#pragma once

#include <string>

#include "nfs_server/wire/nfs3.hpp"

namespace lockstep::server::ops {

/// Data of a READ or WRITE up to this is recorded; of more, only how much there was.
constexpr std::uint32_t max_recorded_bytes = 64 * 1024;

std::string describe(const wire::GETATTR3args&);
std::string describe(const wire::SETATTR3args&);
std::string describe(const wire::LOOKUP3args&);
std::string describe(const wire::ACCESS3args&);
std::string describe(const wire::READLINK3args&);
std::string describe(const wire::READ3args&);
std::string describe(const wire::WRITE3args&);
std::string describe(const wire::CREATE3args&);
std::string describe(const wire::MKDIR3args&);
std::string describe(const wire::SYMLINK3args&);
std::string describe(const wire::MKNOD3args&);
std::string describe(const wire::REMOVE3args&);
std::string describe(const wire::RMDIR3args&);
std::string describe(const wire::RENAME3args&);
std::string describe(const wire::LINK3args&);
std::string describe(const wire::READDIR3args&);
std::string describe(const wire::READDIRPLUS3args&);
std::string describe(const wire::FSSTAT3args&);
std::string describe(const wire::FSINFO3args&);
std::string describe(const wire::PATHCONF3args&);
std::string describe(const wire::COMMIT3args&);

std::string describe(const wire::GETATTR3res&);
std::string describe(const wire::SETATTR3res&);
std::string describe(const wire::LOOKUP3res&);
std::string describe(const wire::ACCESS3res&);
std::string describe(const wire::READLINK3res&);
std::string describe(const wire::READ3res&);
std::string describe(const wire::WRITE3res&);
std::string describe(const wire::CREATE3res&);
std::string describe(const wire::MKDIR3res&);
std::string describe(const wire::SYMLINK3res&);
std::string describe(const wire::MKNOD3res&);
std::string describe(const wire::LINK3res&);
std::string describe(const wire::READDIR3res&);
std::string describe(const wire::READDIRPLUS3res&);
std::string describe(const wire::FSSTAT3res&);
std::string describe(const wire::FSINFO3res&);
std::string describe(const wire::PATHCONF3res&);
std::string describe(const wire::COMMIT3res&);

/// Calls that the model says nothing of.
template <class Args>
std::string describe_call(const Args& args) {
    if constexpr (requires { describe(args); })
        return describe(args);
    else
        return "other";
}
/// Replies of which only the status counts.
template <class Res>
std::string describe_reply(const Res& res) {
    if constexpr (requires { describe(res); })
        if (res.status == wire::NFS3_OK) return describe(res);
    return std::to_string(static_cast<int>(res.status));
}

}  // namespace lockstep::server::ops
