// Exports: which client gets what, and as whom.
#include "nfs_server/ops/exports.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nfs_server/ops/test_server.hpp"

namespace lockstep::server::ops {
namespace {

using test::Handle;
using testing::HasSubstr;

rpc::PeerAddress peer(const std::string& address, std::uint16_t port = 700) {
    return *rpc::PeerAddress::parse(address, port);
}

TEST(Network, HoldsTheAddressesThatBeginAlike) {
    const auto holds = [](const char* network, const char* address) {
        return Network::parse(network)->contains(peer(address).bytes());
    };
    EXPECT_TRUE(holds("192.0.2.0/24", "192.0.2.255"));
    EXPECT_FALSE(holds("192.0.2.0/24", "192.0.3.0"));
    EXPECT_TRUE(holds("192.0.2.128/25", "192.0.2.129"));
    EXPECT_FALSE(holds("192.0.2.128/25", "192.0.2.127"));
    EXPECT_TRUE(holds("192.0.2.7", "192.0.2.7"));
    EXPECT_FALSE(holds("192.0.2.7", "192.0.2.6"));
    EXPECT_TRUE(holds("2001:db8::/33", "2001:db8:7fff::1"));
    EXPECT_FALSE(holds("2001:db8::/33", "2001:db8:8000::1"));
    EXPECT_TRUE(holds("*", "2001:db8::1"));
    EXPECT_TRUE(holds("0.0.0.0/0", "203.0.113.1"));
    EXPECT_FALSE(holds("0.0.0.0/0", "2001:db8::1")) << "every IPv4 address, and no other";
    EXPECT_TRUE(holds("192.0.2.0/24", "::ffff:192.0.2.1")) << "how a socket for both sees an IPv4 client";
}

TEST(Network, WhatIsNoneIsRefusedWithItsText) {
    for (const char* text : {"", "192.0.2", "192.0.2.0/33", "192.0.2.0/", "192.0.2.1/24", "host", "2001:db8::/129"})
        EXPECT_THAT(Network::parse(text).error(), HasSubstr(text)) << text;
}

TEST(Export, ReadsItsOptions) {
    const auto all = parse_export(
        "/a/b,directory=/c,clients=192.0.2.0/24;2001:db8::/32,read_only,secure_ports,squash=all,"
        "anonymous_uid=99,anonymous_gid=98");
    ASSERT_TRUE(all) << all.error();
    EXPECT_EQ(all->path, "/a/b");
    EXPECT_EQ(all->directory, "/c");
    EXPECT_EQ(all->clients.size(), 2u);
    EXPECT_TRUE(all->read_only && all->secure_ports);
    EXPECT_EQ(all->squash, Squash::all);
    EXPECT_EQ(all->anonymous_uid, 99u);
    EXPECT_EQ(all->anonymous_gid, 98u);
    for (const char* text : {"", "export", "/export/", "/a//b", "/a,squash=some", "/a,readonly", "/a,directory=b",
                             "/a,anonymous_uid=-1", "/a,clients=x", "/a/../b"})
        EXPECT_FALSE(parse_export(text)) << text;
}

TEST(ExportTable, RefusesOnePathTwiceAndNone) {
    EXPECT_THAT(ExportTable::make({{.path = "/a"}, {.path = "/a"}}).error(), HasSubstr("/a is exported twice"));
    EXPECT_FALSE(ExportTable::make({}));
}

TEST(ExportTable, APathLiesInTheDeepestExport) {
    const auto table = *ExportTable::make({{.path = "/a"}, {.path = "/a/b"}, {.path = "/c"}});
    EXPECT_EQ(table->find_path("/a/b/x")->export_.path, "/a/b");
    EXPECT_EQ(table->find_path("/a/bc")->export_.path, "/a");
    EXPECT_EQ(table->find_path("/d"), nullptr);
    EXPECT_EQ(table->find_path("/ab"), nullptr);
}

TEST(Export, SquashesWhoItIsToldTo) {
    const rpc::Credentials root{.is_auth_sys = true, .uid = 0, .gid = 0, .supplementary_gids = {}, .machine_name = {}};
    const std::vector<std::uint32_t> groups{10, 11};
    const rpc::Credentials user{
        .is_auth_sys = true, .uid = 1000, .gid = 100, .supplementary_gids = groups, .machine_name = {}};
    Export one{.path = "/a", .anonymous_uid = 99, .anonymous_gid = 98};
    EXPECT_EQ(one.effective(root).uid, 0u);
    one.squash = Squash::root;
    EXPECT_EQ(one.effective(root).uid, 99u);
    EXPECT_EQ(one.effective(root).gid, 98u);
    EXPECT_EQ(one.effective(user).uid, 1000u);
    EXPECT_EQ(one.effective(user).supplementary_gids.size(), 2u);
    one.squash = Squash::all;
    EXPECT_EQ(one.effective(user).uid, 99u);
    EXPECT_TRUE(one.effective(user).supplementary_gids.empty());
}

// Through the procedures: the export that a handle comes from decides.
class Exported : public testing::Test {
 protected:
    Exported() : server_(), plain_(server_.make_client()) {
        below_ = plain_.must_mkdir(server_.root(), "below", 0777);
        plain_.must_create(below_, "file", 0600);
    }
    void serve(std::vector<Export> exports) {
        exports_ = std::make_unique<Exports>(std::move(*ExportTable::make(std::move(exports))));
        service_ = std::make_unique<Service>(Service{*server_.fs, 1, nullptr, exports_.get()});
        client_ = std::make_unique<test::TestClient>(*service_);
        client_->move_to(peer("192.0.2.1"));
    }
    // The same file's handle, as it comes from an export.
    Handle through(const std::string& path, const Handle& handle) {
        const auto bytes = std::as_bytes(std::span(handle.data(), handle.size()));
        const auto encoded = server_.fs->handle_of(*server_.fs->decode(bytes), Export{.path = path}.number());
        return Handle(reinterpret_cast<const char*>(encoded.data()), encoded.size());
    }

    test::TestServer server_;
    test::TestClient plain_;
    Handle below_;
    std::unique_ptr<Exports> exports_;
    std::unique_ptr<Service> service_;
    std::unique_ptr<test::TestClient> client_;
};

TEST_F(Exported, AHandleOfNoExportIsStaleAndOneOfAnotherNetworkIsDenied) {
    serve({{.path = "/a", .clients = {*Network::parse("192.0.2.0/24")}}});
    EXPECT_EQ(client_->getattr(through("/a", below_)).status, wire::NFS3_OK);
    EXPECT_EQ(client_->getattr(through("/b", below_)).status, wire::NFS3ERR_STALE);
    EXPECT_EQ(client_->getattr(below_).status, wire::NFS3ERR_STALE);
    client_->move_to(peer("198.51.100.1"));
    EXPECT_EQ(client_->getattr(through("/a", below_)).status, wire::NFS3ERR_ACCES);
}

TEST_F(Exported, SecurePortsAreBelow1024) {
    serve({{.path = "/a", .secure_ports = true}});
    client_->move_to(peer("192.0.2.1", 1023));
    EXPECT_EQ(client_->getattr(through("/a", below_)).status, wire::NFS3_OK);
    client_->move_to(peer("192.0.2.1", 1024));
    EXPECT_EQ(client_->getattr(through("/a", below_)).status, wire::NFS3ERR_ACCES);
}

TEST_F(Exported, AReadOnlyExportChangesNothing) {
    serve({{.path = "/a", .read_only = true}});
    const Handle directory = through("/a", below_);
    EXPECT_EQ(client_->create(directory, "new").status, wire::NFS3ERR_ROFS);
    EXPECT_EQ(client_->remove(directory, "file").status, wire::NFS3ERR_ROFS);
    EXPECT_EQ(client_->rename(directory, "file", directory, "new").status, wire::NFS3ERR_ROFS);
    EXPECT_EQ(client_->setattr(directory, test::with_mode(0)).status, wire::NFS3ERR_ROFS);
    EXPECT_EQ(client_->create_exclusive(directory, "new", 1).status, wire::NFS3ERR_ROFS);
    EXPECT_EQ(client_->mkdir(directory, "new").status, wire::NFS3ERR_ROFS);
    EXPECT_EQ(client_->symlink(directory, "new", "x").status, wire::NFS3ERR_ROFS);
    EXPECT_EQ(client_->mknod(directory, "new", wire::NF3FIFO).status, wire::NFS3ERR_ROFS);
    EXPECT_EQ(client_->rmdir(directory, "file").status, wire::NFS3ERR_ROFS);
    const auto found = client_->lookup(directory, "file");
    ASSERT_EQ(found.status, wire::NFS3_OK);
    const Handle file = test::to_handle(found.LOOKUP3res_u.resok.object);
    EXPECT_EQ(client_->write(file, 0, "x").status, wire::NFS3ERR_ROFS);
    EXPECT_EQ(client_->write(file, 0, "x", wire::UNSTABLE).status, wire::NFS3ERR_ROFS);
    EXPECT_EQ(client_->link(file, directory, "new").status, wire::NFS3ERR_ROFS);
    // Nothing changes, and the replies say so.
    const auto is_told = [](const wire::wcc_data& wcc) {
        return wcc.before.attributes_follow != 0 && wcc.after.attributes_follow != 0;
    };
    EXPECT_TRUE(is_told(client_->create(directory, "new").CREATE3res_u.resfail.dir_wcc));
    EXPECT_TRUE(is_told(client_->remove(directory, "file").REMOVE3res_u.resfail.dir_wcc));
    EXPECT_TRUE(is_told(client_->rmdir(directory, "file").RMDIR3res_u.resfail.dir_wcc));
    EXPECT_TRUE(is_told(client_->rename(directory, "file", directory, "new").RENAME3res_u.resfail.fromdir_wcc));
    EXPECT_TRUE(is_told(client_->setattr(directory, test::with_mode(0)).SETATTR3res_u.resfail.obj_wcc));
    EXPECT_TRUE(is_told(client_->write(file, 0, "x").WRITE3res_u.resfail.file_wcc));
    EXPECT_EQ(client_->read(file, 0, 1).status, wire::NFS3_OK);
    const auto access = client_->access(file, ACCESS3_READ | ACCESS3_MODIFY | ACCESS3_EXTEND);
    EXPECT_EQ(access.ACCESS3res_u.resok.access, std::uint32_t{ACCESS3_READ});
}

TEST_F(Exported, TheSuperuserIsNobodyWhereItIsSquashed) {
    serve({{.path = "/a", .squash = Squash::root}, {.path = "/b"}});
    const auto file_through = [&](const char* path) {
        return test::to_handle(client_->lookup(through(path, below_), "file").LOOKUP3res_u.resok.object);
    };
    EXPECT_EQ(client_->read(file_through("/a"), 0, 1).status, wire::NFS3ERR_ACCES);
    EXPECT_EQ(client_->read(file_through("/b"), 0, 1).status, wire::NFS3_OK);
    const auto made = client_->create(through("/a", below_), "mine");
    ASSERT_EQ(made.status, wire::NFS3_OK);
    EXPECT_EQ(client_->attributes(test::to_handle(made.CREATE3res_u.resok.obj)).uid, rpc::Credentials::nobody_id);
}

TEST_F(Exported, EverybodyIsNobodyWhereAllAreSquashed) {
    serve({{.path = "/a", .squash = Squash::all, .anonymous_uid = 99, .anonymous_gid = 98}, {.path = "/b"}});
    plain_.setattr(below_, test::with_mode(0777));
    for (const test::Caller& caller : {test::Caller{0, 0}, test::Caller{1000, 100, {50, 51}}}) {
        client_->become(caller);
        const auto made = client_->create(through("/a", below_), std::to_string(caller.uid));
        ASSERT_EQ(made.status, wire::NFS3_OK);
        const auto attributes = client_->attributes(test::to_handle(made.CREATE3res_u.resok.obj));
        EXPECT_EQ(attributes.uid, 99u);
        EXPECT_EQ(attributes.gid, 98u);
        const auto other = client_->create(through("/b", below_), "b" + std::to_string(caller.uid));
        EXPECT_EQ(client_->attributes(test::to_handle(other.CREATE3res_u.resok.obj)).uid, caller.uid);
    }
}

TEST_F(Exported, NetworksOfBothFamiliesDecide) {
    serve({{.path = "/a", .clients = {*Network::parse("192.0.2.0/24"), *Network::parse("2001:db8::/32")}}});
    const auto status_from = [&](const char* address) {
        client_->move_to(peer(address));
        return client_->getattr(through("/a", below_)).status;
    };
    EXPECT_EQ(status_from("192.0.2.77"), wire::NFS3_OK);
    EXPECT_EQ(status_from("::ffff:192.0.2.77"), wire::NFS3_OK);
    EXPECT_EQ(status_from("2001:db8:1::1"), wire::NFS3_OK);
    EXPECT_EQ(status_from("192.0.3.77"), wire::NFS3ERR_ACCES);
    EXPECT_EQ(status_from("2001:db9::1"), wire::NFS3ERR_ACCES);
}

TEST_F(Exported, TwoExportsAreTwoFileSystemsToLinkAndRename) {
    serve({{.path = "/a"}, {.path = "/b"}});
    EXPECT_EQ(client_->rename(through("/a", below_), "file", through("/b", below_), "new").status, wire::NFS3ERR_XDEV);
    const Handle file = test::to_handle(client_->lookup(through("/a", below_), "file").LOOKUP3res_u.resok.object);
    EXPECT_EQ(client_->link(file, through("/b", below_), "new").status, wire::NFS3ERR_XDEV);
    EXPECT_EQ(client_->link(file, through("/a", below_), "new").status, wire::NFS3_OK);
}

TEST_F(Exported, ATableThatIsReplacedCountsFromTheNextRequestOn) {
    serve({{.path = "/a"}});
    exports_->replace(std::move(*ExportTable::make({{.path = "/b"}})));
    EXPECT_EQ(client_->getattr(through("/a", below_)).status, wire::NFS3ERR_STALE);
    EXPECT_EQ(client_->getattr(through("/b", below_)).status, wire::NFS3_OK);
}

}  // namespace
}  // namespace lockstep::server::ops
