// The same answers over TCP and UDP, IPv4 and IPv6: MOUNT, then a file's whole life; and every procedure once.
#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <set>

#include "nfs_server/main_server_process.hpp"
#include "nfs_server/rpc/test_connection.hpp"
#include "nfs_server/test_raw_client.hpp"

namespace lockstep::server::test {
namespace {

using rpc::test::Connection;
using rpc::test::Transport;

class Transports : public testing::TestWithParam<Transport> {};

TEST_P(Transports, AFileIsMadeWrittenReadAndRemoved) {
    TemporaryDirectory directory;
    const ServerProcess server(directory.path(), "memory:64M", {"--bind", "::"});
    Connection client(GetParam(), server.port());
    wire::dirpath path = const_cast<char*>("/export");
    auto mounted = rpc::test::parse_reply(client.exchange(
        rpc::test::call_message(1, {MOUNT_PROGRAM, MOUNT_V3, MOUNTPROC3_MNT}, wire::xdr_dirpath, path, 0u)));
    ASSERT_TRUE(mounted);
    Arena arena;
    const auto mount = mounted->decode(wire::xdr_mountres3, arena);
    ASSERT_TRUE(mount && mount->fhs_status == wire::MNT3_OK);
    const auto& fhandle = mount->mountres3_u.mountinfo.fhandle;
    const Handle root(fhandle.fhandle3_val, fhandle.fhandle3_len);

    const auto create = create_call(2, root, "file");
    const auto created = client.exchange(create);
    ASSERT_EQ(status_of(created), wire::NFS3_OK);
    EXPECT_EQ(client.exchange(create), created) << "sent again, it gets the first reply";
    const Handle file = created_handle(created);
    const std::string content(8000, 'x');
    ASSERT_EQ(status_of(client.exchange(write_call(3, file, content, wire::FILE_SYNC))), wire::NFS3_OK);
    const wire::READ3args read{fh(file), 0, 10'000};
    auto reply = rpc::test::parse_reply(
        client.exchange(rpc::test::call_message(4, nfs(NFSPROC3_READ), wire::xdr_READ3args, read, 0u)));
    ASSERT_TRUE(reply);
    const auto data = reply->decode(wire::xdr_READ3res, arena);
    ASSERT_TRUE(data && data->status == wire::NFS3_OK);
    EXPECT_EQ(std::string(data->READ3res_u.resok.data.data_val, data->READ3res_u.resok.data.data_len), content);
    EXPECT_EQ(status_of(client.exchange(remove_call(5, root, "file"))), wire::NFS3_OK);
    EXPECT_EQ(status_of(client.exchange(getattr_call(6, file))), wire::NFS3ERR_STALE);
}

// The results of a call, decoded; the test fails when it is not answered with success.
class Caller {
 public:
    Caller(const Transport& transport, uint16_t port) : connection_(transport, port) {}

    template <class Args, class Res>
    Res call(rpc::test::Target target, bool_t (*xdr_args)(XDR*, Args*), const Args& args,
             bool_t (*xdr_res)(XDR*, Res*)) {
        const auto bytes = connection_.exchange(rpc::test::call_message(++xid_, target, xdr_args, args, 0u));
        auto& reply = replies_.emplace_back(rpc::test::parse_reply(bytes));
        const auto res = reply ? reply->decode(xdr_res, arena_) : std::nullopt;
        EXPECT_TRUE(res.has_value()) << "program " << target.program << ", procedure " << target.procedure;
        return res.value_or(Res{});
    }
    // A procedure of NFS that must answer NFS3_OK.
    template <class Args, class Res>
    Res nfs(uint32_t procedure, bool_t (*xdr_args)(XDR*, Args*), const Args& args, bool_t (*xdr_res)(XDR*, Res*)) {
        const Res res = call(test::nfs(procedure), xdr_args, args, xdr_res);
        EXPECT_EQ(res.status, wire::NFS3_OK) << "procedure " << procedure;
        seen_.insert(procedure);
        return res;
    }
    void nothing(uint32_t program) {
        call({program, 3, 0}, rpc::xdr_no_value, rpc::NoValue{}, rpc::xdr_no_value);
        if (program == NFS_PROGRAM) seen_.insert(0);
    }
    size_t procedures_of_nfs() const { return seen_.size(); }

 private:
    Connection connection_;
    uint32_t xid_ = 5000;
    Arena arena_;
    std::deque<std::optional<rpc::test::Reply>> replies_;  // decoded results point into them
    std::set<uint32_t> seen_;
};

Handle handle_of(const wire::post_op_fh3& made) {
    const auto& handle = made.post_op_fh3_u.handle.data;
    return Handle(handle.data_val, handle.data_len);
}

TEST_P(Transports, EveryProcedureOfNfsAndMountIsAnswered) {
    using namespace wire;
    TemporaryDirectory directory;
    const ServerProcess server(directory.path(), "memory:64M", {"--bind", "::1"});
    Caller caller(GetParam(), server.port());
    const auto mount = [](uint32_t procedure) { return rpc::test::Target{MOUNT_PROGRAM, MOUNT_V3, procedure}; };
    dirpath path = const_cast<char*>("/export");

    caller.nothing(MOUNT_PROGRAM);
    const auto mounted = caller.call(mount(MOUNTPROC3_MNT), xdr_dirpath, path, xdr_mountres3);
    ASSERT_EQ(mounted.fhs_status, MNT3_OK);
    const auto& fhandle = mounted.mountres3_u.mountinfo.fhandle;
    const Handle root(fhandle.fhandle3_val, fhandle.fhandle3_len);
    const auto list = [&] {
        return caller.call(mount(MOUNTPROC3_DUMP), rpc::xdr_no_value, rpc::NoValue{}, xdr_mountlist);
    };
    ASSERT_NE(list(), nullptr);
    EXPECT_STREQ(list()->ml_directory, "/export");
    caller.call(mount(MOUNTPROC3_UMNT), xdr_dirpath, path, rpc::xdr_no_value);
    EXPECT_EQ(list(), nullptr);
    caller.call(mount(MOUNTPROC3_MNT), xdr_dirpath, path, xdr_mountres3);
    caller.call(mount(MOUNTPROC3_UMNTALL), rpc::xdr_no_value, rpc::NoValue{}, rpc::xdr_no_value);
    EXPECT_EQ(list(), nullptr);
    const auto exported = caller.call(mount(MOUNTPROC3_EXPORT), rpc::xdr_no_value, rpc::NoValue{}, wire::xdr_exports);
    ASSERT_NE(exported, nullptr);
    EXPECT_STREQ(exported->ex_dir, "/export");

    caller.nothing(NFS_PROGRAM);
    char text[] = "data";
    const auto file = handle_of(
        caller.nfs(NFSPROC3_CREATE, xdr_CREATE3args, CREATE3args{where(root, "file"), {GUARDED, {}}}, xdr_CREATE3res)
            .CREATE3res_u.resok.obj);
    const auto below =
        handle_of(caller.nfs(NFSPROC3_MKDIR, xdr_MKDIR3args, MKDIR3args{where(root, "directory"), {}}, xdr_MKDIR3res)
                      .MKDIR3res_u.resok.obj);
    const auto link = handle_of(
        caller
            .nfs(NFSPROC3_SYMLINK, xdr_SYMLINK3args, SYMLINK3args{where(root, "symlink"), {{}, text}}, xdr_SYMLINK3res)
            .SYMLINK3res_u.resok.obj);
    caller.nfs(NFSPROC3_MKNOD, xdr_MKNOD3args, MKNOD3args{where(root, "pipe"), {NF3FIFO, {}}}, xdr_MKNOD3res);
    caller.nfs(NFSPROC3_SETATTR, xdr_SETATTR3args, SETATTR3args{fh(file), {}, {}}, xdr_SETATTR3res);
    caller.nfs(NFSPROC3_GETATTR, xdr_GETATTR3args, GETATTR3args{fh(file)}, xdr_GETATTR3res);
    caller.nfs(NFSPROC3_LOOKUP, xdr_LOOKUP3args, LOOKUP3args{where(root, "file")}, xdr_LOOKUP3res);
    caller.nfs(NFSPROC3_ACCESS, xdr_ACCESS3args, ACCESS3args{fh(file), 63}, xdr_ACCESS3res);
    caller.nfs(NFSPROC3_WRITE, xdr_WRITE3args, WRITE3args{fh(file), 0, 4, UNSTABLE, {4, text}}, xdr_WRITE3res);
    caller.nfs(NFSPROC3_COMMIT, xdr_COMMIT3args, COMMIT3args{fh(file), 0, 0}, xdr_COMMIT3res);
    const auto read = caller.nfs(NFSPROC3_READ, xdr_READ3args, READ3args{fh(file), 0, 100}, xdr_READ3res);
    EXPECT_EQ(std::string(read.READ3res_u.resok.data.data_val, read.READ3res_u.resok.data.data_len), text);
    EXPECT_STREQ(caller.nfs(NFSPROC3_READLINK, xdr_READLINK3args, READLINK3args{fh(link)}, xdr_READLINK3res)
                     .READLINK3res_u.resok.data,
                 text);
    caller.nfs(NFSPROC3_LINK, xdr_LINK3args, LINK3args{fh(file), where(below, "linked")}, xdr_LINK3res);
    caller.nfs(NFSPROC3_RENAME, xdr_RENAME3args, RENAME3args{where(below, "linked"), where(root, "moved")},
               xdr_RENAME3res);
    caller.nfs(NFSPROC3_READDIR, xdr_READDIR3args, READDIR3args{fh(root), 0, {}, 4096}, xdr_READDIR3res);
    caller.nfs(NFSPROC3_READDIRPLUS, xdr_READDIRPLUS3args, READDIRPLUS3args{fh(root), 0, {}, 4096, 8192},
               xdr_READDIRPLUS3res);
    caller.nfs(NFSPROC3_FSSTAT, xdr_FSSTAT3args, FSSTAT3args{fh(root)}, xdr_FSSTAT3res);
    caller.nfs(NFSPROC3_FSINFO, xdr_FSINFO3args, FSINFO3args{fh(root)}, xdr_FSINFO3res);
    caller.nfs(NFSPROC3_PATHCONF, xdr_PATHCONF3args, PATHCONF3args{fh(root)}, xdr_PATHCONF3res);
    caller.nfs(NFSPROC3_REMOVE, xdr_REMOVE3args, REMOVE3args{where(root, "moved")}, xdr_REMOVE3res);
    caller.nfs(NFSPROC3_RMDIR, xdr_RMDIR3args, RMDIR3args{where(root, "directory")}, xdr_RMDIR3res);
    EXPECT_EQ(caller.procedures_of_nfs(), 22u);
}

// A reply that no datagram holds would never arrive.
TEST_P(Transports, MoreThanAReplyHoldsIsAnsweredInPart) {
    using namespace wire;
    TemporaryDirectory directory;
    const ServerProcess server(directory.path(), "memory:64M", {"--bind", "::"});
    Caller caller(GetParam(), server.port());
    dirpath path = const_cast<char*>("/export");
    const auto mounted =
        caller.call({MOUNT_PROGRAM, MOUNT_V3, MOUNTPROC3_MNT}, xdr_dirpath, path, xdr_mountres3).mountres3_u.mountinfo;
    const Handle root(mounted.fhandle.fhandle3_val, mounted.fhandle.fhandle3_len);

    const auto limits = caller.nfs(NFSPROC3_FSINFO, xdr_FSINFO3args, FSINFO3args{fh(root)}, xdr_FSINFO3res);
    const uint32_t rtmax = limits.FSINFO3res_u.resok.rtmax, wtmax = limits.FSINFO3res_u.resok.wtmax;
    const auto file = handle_of(
        caller.nfs(NFSPROC3_CREATE, xdr_CREATE3args, CREATE3args{where(root, "file"), {GUARDED, {}}}, xdr_CREATE3res)
            .CREATE3res_u.resok.obj);
    std::string content(wtmax, 'x');
    for (const uint64_t offset : {0u, wtmax, 2 * wtmax}) {
        const WRITE3args write{fh(file), offset, wtmax, UNSTABLE, {wtmax, content.data()}};
        ASSERT_EQ(caller.nfs(NFSPROC3_WRITE, xdr_WRITE3args, write, xdr_WRITE3res).WRITE3res_u.resok.count, wtmax);
    }
    const READ3args all{fh(file), 0, 3 * std::max(rtmax, wtmax)};
    const auto read = caller.nfs(NFSPROC3_READ, xdr_READ3args, all, xdr_READ3res).READ3res_u.resok;
    EXPECT_EQ(read.count, rtmax);
    EXPECT_FALSE(read.eof);

    const std::string long_name(200, 'n');
    for (int i = 0; i < 400; ++i)
        caller.nfs(NFSPROC3_CREATE, xdr_CREATE3args,
                   CREATE3args{where(root, (long_name + std::to_string(i)).c_str()), {GUARDED, {}}}, xdr_CREATE3res);
    const auto list =
        caller.nfs(NFSPROC3_READDIR, xdr_READDIR3args, READDIR3args{fh(root), 0, {}, UINT32_MAX}, xdr_READDIR3res);
    EXPECT_FALSE(list.READDIR3res_u.resok.reply.eof);
    const auto plus = caller.nfs(NFSPROC3_READDIRPLUS, xdr_READDIRPLUS3args,
                                 READDIRPLUS3args{fh(root), 0, {}, UINT32_MAX, UINT32_MAX}, xdr_READDIRPLUS3res);
    EXPECT_FALSE(plus.READDIRPLUS3res_u.resok.reply.eof);
}

INSTANTIATE_TEST_SUITE_P(All, Transports,
                         testing::Values(Transport{"TcpIpv4", "127.0.0.1", false}, Transport{"TcpIpv6", "::1", false},
                                         Transport{"UdpIpv4", "127.0.0.1", true}, Transport{"UdpIpv6", "::1", true}),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace lockstep::server::test
