// For tests: a client that speaks RPC itself, so that a call can be sent again: no library lets its user do that.
#pragma once

#include <optional>
#include <string>

#include "nfs_server/rpc/test_client.hpp"
#include "nfs_server/wire/mount3.hpp"
#include "nfs_server/wire/nfs3.hpp"

namespace lockstep::server::test {

using Handle = std::string;

inline wire::nfs_fh3 fh(const Handle& handle) {
    wire::nfs_fh3 result{};
    result.data.data_len = static_cast<u_int>(handle.size());
    result.data.data_val = const_cast<char*>(handle.data());
    return result;
}

inline wire::diropargs3 where(const Handle& directory, const std::string& name) {
    return {fh(directory), const_cast<char*>(name.c_str())};
}

inline rpc::test::Target nfs(uint32_t procedure) {
    return {NFS_PROGRAM, NFS_V3, procedure};
}

// Messages, so that a test can send the very same one again. The superuser's, unless `uid` says otherwise.
inline rpc::test::Bytes create_call(uint32_t xid, const Handle& directory, const std::string& name,
                                    wire::createmode3 mode = wire::GUARDED, uint32_t uid = 0) {
    wire::CREATE3args args{where(directory, name), {}};
    args.how.mode = mode;
    return rpc::test::call_message(xid, nfs(NFSPROC3_CREATE), wire::xdr_CREATE3args, args, uid);
}
inline rpc::test::Bytes remove_call(uint32_t xid, const Handle& directory, const std::string& name) {
    const wire::REMOVE3args args{where(directory, name)};
    return rpc::test::call_message(xid, nfs(NFSPROC3_REMOVE), wire::xdr_REMOVE3args, args, 0u);
}
inline rpc::test::Bytes write_call(uint32_t xid, const Handle& file, const std::string& data, wire::stable_how stable,
                                   uint64_t offset = 0) {
    wire::WRITE3args args{fh(file), offset, static_cast<uint32_t>(data.size()), stable, {}};
    args.data.data_len = static_cast<u_int>(data.size());
    args.data.data_val = const_cast<char*>(data.data());
    return rpc::test::call_message(xid, nfs(NFSPROC3_WRITE), wire::xdr_WRITE3args, args, 0u);
}
inline rpc::test::Bytes getattr_call(uint32_t xid, const Handle& file) {
    const wire::GETATTR3args args{fh(file)};
    return rpc::test::call_message(xid, nfs(NFSPROC3_GETATTR), wire::xdr_GETATTR3args, args, 0u);
}

// A connection on which replies come in the order of the calls, since one call is under way at a time.
class RawClient {
 public:
    explicit RawClient(uint16_t port) : client_(port) {}

    // The root's handle; empty when the server does not give it.
    Handle mount() {
        Arena arena;
        wire::dirpath path = const_cast<char*>("/export");
        const auto reply = client_.call<wire::dirpath, wire::mountres3>(
            {MOUNT_PROGRAM, MOUNT_V3, MOUNTPROC3_MNT}, wire::xdr_dirpath, path, wire::xdr_mountres3, arena, 0u);
        if (!reply || reply->fhs_status != wire::MNT3_OK) return {};
        const auto& handle = reply->mountres3_u.mountinfo.fhandle;
        return Handle(handle.fhandle3_val, handle.fhandle3_len);
    }

    // What a READ gives; nothing when it fails.
    std::optional<std::string> read(const Handle& file, uint64_t offset, uint32_t count) {
        Arena arena;
        const wire::READ3args args{fh(file), offset, count};
        const auto res = client_.call<wire::READ3args, wire::READ3res>(nfs(NFSPROC3_READ), wire::xdr_READ3args, args,
                                                                       wire::xdr_READ3res, arena, 0u);
        if (!res || res->status != wire::NFS3_OK) return std::nullopt;
        return std::string(res->READ3res_u.resok.data.data_val, res->READ3res_u.resok.data.data_len);
    }

    // Sends a message and waits for its reply; empty when the connection is gone.
    rpc::test::Bytes exchange(const rpc::test::Bytes& message) {
        if (!client_.send(rpc::test::record_of(message))) return {};
        return client_.receive_record().value_or(rpc::test::Bytes());
    }

 private:
    rpc::test::Client client_;
};

// The status of a reply of NFS; -1 when there is none.
inline int status_of(const rpc::test::Bytes& record) {
    const auto reply = rpc::test::parse_reply(record);
    if (!reply || reply->denied || reply->status != 0 || reply->rest.size() < 4) return -1;
    return static_cast<int>(reply->word(0));
}

// The handle that CREATE gave; empty when it gave none.
inline Handle created_handle(const rpc::test::Bytes& record) {
    auto reply = rpc::test::parse_reply(record);
    Arena arena;
    const auto res = reply ? reply->decode(wire::xdr_CREATE3res, arena) : std::nullopt;
    if (!res || res->status != wire::NFS3_OK) return {};
    const auto& handle = res->CREATE3res_u.resok.obj.post_op_fh3_u.handle.data;
    return Handle(handle.data_val, handle.data_len);
}

}  // namespace lockstep::server::test
