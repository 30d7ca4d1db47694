// The same answers over TCP and UDP, IPv4 and IPv6: MOUNT, then a file's whole life.
#include <gtest/gtest.h>

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
    const ServerProcess server(directory.path(), "memory:64M", {"--bind", "::1"});
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

INSTANTIATE_TEST_SUITE_P(All, Transports,
                         testing::Values(Transport{"TcpIpv4", "127.0.0.1", false}, Transport{"TcpIpv6", "::1", false},
                                         Transport{"UdpIpv4", "127.0.0.1", true}, Transport{"UdpIpv6", "::1", true}),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace lockstep::server::test
