#include "nfs_server/ops/mount_program.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "nfs_server/ops/test_server.hpp"
#include "nfs_server/wire/mount3.hpp"
#include "nfs_server/wire/xdr_decoder.hpp"
#include "nfs_server/wire/xdr_encoder.hpp"

namespace lockstep::server::ops {
namespace {

using namespace wire;  // status codes
using test::Handle;

// The program as the rpc layer uses it: encoded arguments in, encoded results out.
class Mount : public testing::Test {
 protected:
    Mount() : program_(make_mount_program(mounts_)) {
        const Handle below = client_.must_mkdir(server_.root(), "below");
        deep_ = client_.must_mkdir(below, "deep");
        client_.must_create(server_.root(), "file");
        client_.must_mkdir(server_.root(), "closed", 0700);
        client_.must_mkdir(test::to_handle(client_.lookup(server_.root(), "closed").LOOKUP3res_u.resok.object),
                           "inside");
    }

    std::vector<std::byte> encode(const std::string& path) {
        Arena arena;
        std::vector<iovec> pieces;
        XdrEncoder encoder(arena, pieces);
        char* text = const_cast<char*>(path.c_str());
        EXPECT_TRUE(encoder.encode(xdr_dirpath, text));
        return gather(encoder, pieces);
    }
    static std::vector<std::byte> gather(XdrEncoder& encoder, const std::vector<iovec>& pieces) {
        encoder.finish();
        std::vector<std::byte> bytes;
        for (const iovec& piece : pieces) {
            const auto* first = static_cast<const std::byte*>(piece.iov_base);
            bytes.insert(bytes.end(), first, first + piece.iov_len);
        }
        return bytes;
    }
    // The reply of a procedure, decoded; it lives in the fixture's arena.
    template <class Res>
    Res call(std::uint32_t procedure, const std::string& path, bool_t (*xdr_res)(XDR*, Res*), std::uint32_t uid = 0) {
        rpc::Credentials credentials;
        credentials.uid = credentials.gid = uid;
        const CallContext context{.request_id = 1,
                                  .connection_id = 1,
                                  .xid = 1,
                                  .program = MOUNT_PROGRAM,
                                  .version = MOUNT_V3,
                                  .procedure = procedure,
                                  .peer = peer_,
                                  .credentials = credentials,
                                  .arena = arena_};
        records_.push_back(encode(path));
        XdrDecoder decoder(records_.back(), arena_);
        const rpc::Procedure* found = program_.find(procedure);
        const void* args = found->decode(decoder, arena_);
        std::vector<iovec> pieces;
        XdrEncoder encoder(arena_, pieces);
        EXPECT_TRUE(found->run(context, args, encoder));
        records_.push_back(gather(encoder, pieces));
        XdrDecoder reply(records_.back(), arena_);
        Res res{};
        EXPECT_TRUE(reply.decode(xdr_res, res));
        return res;
    }
    mountres3 mnt(const std::string& path, std::uint32_t uid = 0) {
        return call(MOUNTPROC3_MNT, path, xdr_mountres3, uid);
    }
    static Handle handle_in(const mountres3& res) {
        return Handle(res.mountres3_u.mountinfo.fhandle.fhandle3_val, res.mountres3_u.mountinfo.fhandle.fhandle3_len);
    }
    // The handle of a file as an export gives it.
    Handle exported(const Handle& file, const std::string& path = "/export") {
        const auto identity = server_.fs->decode(std::as_bytes(std::span(file.data(), file.size())));
        const auto handle = server_.fs->handle_of(*identity, Export{.path = path}.number());
        return Handle(reinterpret_cast<const char*>(handle.data()), handle.size());
    }
    std::vector<std::string> mounted() {
        std::vector<std::string> paths;
        for (auto* entry = call(MOUNTPROC3_DUMP, "", xdr_mountlist); entry != nullptr; entry = entry->ml_next)
            paths.emplace_back(entry->ml_directory);
        return paths;
    }

    test::TestServer server_;
    test::TestClient client_ = server_.make_client();
    Exports exports_{
        *ExportTable::make({{.path = "/export"},
                            {.path = "/narrow",
                             .directory = "/below",
                             .clients = {*Network::parse("198.51.100.0/24"), *Network::parse("2001:db8::/32")}}})};
    MountService mounts_{*server_.service, exports_};
    rpc::Program program_;
    rpc::PeerAddress peer_ = *rpc::PeerAddress::parse("192.0.2.1", 1000);
    Arena arena_;
    std::deque<std::vector<std::byte>> records_;
    Handle deep_;
};

TEST_F(Mount, TheExportLeadsToTheRoot) {
    for (const char* path : {"/export", "/export/", "/export/./below/.."}) {
        const auto res = mnt(path);
        ASSERT_EQ(res.fhs_status, MNT3_OK) << path;
        EXPECT_EQ(handle_in(res), exported(server_.root())) << path;
        ASSERT_EQ(res.mountres3_u.mountinfo.auth_flavors.auth_flavors_len, 1u);
        EXPECT_EQ(res.mountres3_u.mountinfo.auth_flavors.auth_flavors_val[0], 1);
    }
}

TEST_F(Mount, DirectoriesBelowTheExportMayBeMounted) {
    EXPECT_EQ(handle_in(mnt("/export/below/deep")), exported(deep_));
    EXPECT_EQ(handle_in(mnt("/export//below//deep/")), exported(deep_));
}

TEST_F(Mount, NoPathLeadsOutOfTheExport) {
    EXPECT_EQ(handle_in(mnt("/export/../../..")), exported(server_.root()));
    peer_ = *rpc::PeerAddress::parse("198.51.100.1", 1000);
    const auto found = client_.lookup(server_.root(), "below");
    const Handle below = test::to_handle(found.LOOKUP3res_u.resok.object);
    EXPECT_EQ(handle_in(mnt("/narrow/deep/../..")), exported(below, "/narrow"));
}

TEST_F(Mount, OtherPathsAreRefused) {
    EXPECT_EQ(mnt("").fhs_status, MNT3ERR_NOENT);
    EXPECT_EQ(mnt("/").fhs_status, MNT3ERR_NOENT);
    EXPECT_EQ(mnt("/exports").fhs_status, MNT3ERR_NOENT);
    EXPECT_EQ(mnt("/export/none").fhs_status, MNT3ERR_NOENT);
    EXPECT_EQ(mnt("/export/file").fhs_status, MNT3ERR_NOTDIR);
    EXPECT_EQ(mnt("/export/" + std::string(256, 'n')).fhs_status, MNT3ERR_NAMETOOLONG);
    EXPECT_EQ(mnt("/export/closed/inside", 10).fhs_status, MNT3ERR_ACCES);
    EXPECT_EQ(mnt("/export/closed/inside", 0).fhs_status, MNT3_OK);
}

TEST_F(Mount, AClientOfAnotherNetworkIsRefused) {
    EXPECT_EQ(mnt("/narrow").fhs_status, MNT3ERR_ACCES);
    peer_ = *rpc::PeerAddress::parse("2001:db8::1", 1000);
    EXPECT_EQ(mnt("/narrow").fhs_status, MNT3_OK);
}

TEST_F(Mount, DumpListsWhatWasMountedUntilItIsUnmounted) {
    EXPECT_TRUE(mounted().empty());
    mnt("/export");
    mnt("/export/below");
    mnt("/export/none");
    EXPECT_EQ(mounted().size(), 2u);
    call(MOUNTPROC3_UMNT, "/export/below", rpc::xdr_no_value);
    EXPECT_EQ(mounted(), std::vector<std::string>{"/export"});
    mnt("/export/below");
    call(MOUNTPROC3_UMNTALL, "", rpc::xdr_no_value);
    EXPECT_TRUE(mounted().empty());
}

TEST_F(Mount, ExportIsListed) {
    const auto list = call(MOUNTPROC3_EXPORT, "", xdr_exports);
    ASSERT_NE(list, nullptr);
    EXPECT_STREQ(list->ex_dir, "/export");
    EXPECT_EQ(list->ex_groups, nullptr);
    ASSERT_NE(list->ex_next, nullptr);
    EXPECT_STREQ(list->ex_next->ex_dir, "/narrow");
    EXPECT_STREQ(list->ex_next->ex_groups->gr_name, "198.51.100.0/24");
    EXPECT_STREQ(list->ex_next->ex_groups->gr_next->gr_name, "2001:db8::/32");
    EXPECT_EQ(list->ex_next->ex_groups->gr_next->gr_next, nullptr);
    EXPECT_EQ(list->ex_next->ex_next, nullptr);
}

TEST(MountTable, IsBounded) {
    MountTable table(2);
    for (int i = 0; i < 10; ++i) table.add("host", std::to_string(i));
    EXPECT_EQ(table.all().size(), 2u);
}

}  // namespace
}  // namespace lockstep::server::ops
