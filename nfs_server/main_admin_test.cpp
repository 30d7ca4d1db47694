// The operator's socket of a real server: what it lists, and that fencing frees.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "nfs_server/main_server_process.hpp"
#include "nfs_server/rpc/test_client.hpp"
#include "nfs_server/wire/mount3.hpp"
#include "nfs_server/wire/nfs3.hpp"
#include "nfs_server/wire/nlm4.hpp"

namespace lockstep::server::test {
namespace {

using namespace wire;

class AdminTest : public testing::Test {
 protected:
    nlm4_stats lock(const char* caller, bool block) {
        Arena arena;
        char path[] = "/export";
        dirpath export_path = path;
        const auto mounted =
            client_.call({MOUNT_PROGRAM, MOUNT_V3, MOUNTPROC3_MNT}, xdr_dirpath, export_path, xdr_mountres3, arena, 0);
        if (!mounted || mounted->fhs_status != MNT3_OK) throw std::runtime_error("MNT");
        const auto& handle = mounted->mountres3_u.mountinfo.fhandle;
        nlm4_lockargs args{};
        args.block = block;
        args.exclusive = TRUE;
        args.alock = {.caller_name = const_cast<char*>(caller),
                      .fh = {handle.fhandle3_len, handle.fhandle3_val},
                      .oh = {4, path},
                      .svid = 42,
                      .l_offset = 10,
                      .l_len = 0};
        const auto res = client_.call({NLM_PROGRAM, 4, NLMPROC4_LOCK}, xdr_nlm4_lockargs, args, xdr_nlm4_res, arena);
        return res ? res->stat.stat : NLM4_FAILED;
    }
    // Exit status and output of nfs_server admin SOCKET WORDS….
    std::pair<int, std::string> admin(std::vector<std::string> words) {
        words.insert(words.begin(), {server_program(), "admin", socket_});
        const int status = run_program(words, directory_.path() / "out", directory_.path() / "err");
        return {status, content_of(directory_.path() / (status == 0 ? "out" : "err"))};
    }

    TemporaryDirectory directory_;
    std::string socket_ = directory_.path() / "admin";
    ServerProcess server_{directory_.path(), "memory:64M", {"--admin", socket_}};
    rpc::test::Client client_{server_.port()};
};

TEST_F(AdminTest, ListsHoldersAndWaitersAndFencesAHolder) {
    EXPECT_EQ(lock("gone", false), NLM4_GRANTED);
    EXPECT_EQ(lock("next", true), NLM4_BLOCKED);
    const auto [status, text] = admin({"locks", "--json"});
    EXPECT_EQ(status, 0);
    const auto report = nlohmann::json::parse(text);
    EXPECT_EQ(report.at("grace_period"), false);
    ASSERT_EQ(report.at("locks").size(), 2u) << text;
    const auto& held = report.at("locks")[0];
    const auto& waiting = report.at("locks")[1];
    EXPECT_EQ(held.at("client"), "gone");
    EXPECT_EQ(held.at("address"), "127.0.0.1");
    EXPECT_EQ(held.at("svid"), 42);
    EXPECT_EQ(held.at("first_byte"), 10);
    EXPECT_TRUE(held.at("last_byte").is_null());
    EXPECT_EQ(held.at("mode"), "exclusive");
    EXPECT_TRUE(held.at("waits_for").is_null());
    EXPECT_EQ(waiting.at("client"), "next");
    EXPECT_EQ(waiting.at("waits_for"), held.at("owner"));
    EXPECT_NE(admin({"locks"}).second.find("waits for " + held.at("owner").dump()), std::string::npos);

    EXPECT_EQ(admin({"fence", "gone"}), std::pair(0, std::string("gone at 127.0.0.1: 1 locks released\n")));
    EXPECT_EQ(admin({"fence", "next", "--address", "192.0.2.1"}).first, 1) << "it is not there";
    EXPECT_EQ(lock("third", false), NLM4_DENIED) << "the waiter has it";
    EXPECT_EQ(admin({"fence", "gone"}).first, 1) << "it has nothing any more";
    EXPECT_EQ(admin({"fence", "next", "--address", "127.0.0.1"}),
              std::pair(0, std::string("next at 127.0.0.1: 1 locks released\n")));
}

TEST_F(AdminTest, IsForItsOwnerOnlyAndGoesWithTheServer) {
    struct stat status {};
    ASSERT_EQ(stat(socket_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    EXPECT_EQ(server_.stop(), 0);
    EXPECT_NE(stat(socket_.c_str(), &status), 0);
    EXPECT_EQ(admin({"locks"}).first, 2);
}

TEST_F(AdminTest, ASecondServerDoesNotTakeTheSocket) {
    TemporaryDirectory other;
    EXPECT_THROW(ServerProcess(other.path(), "memory:64M", {"--admin", socket_}), std::runtime_error);
    EXPECT_EQ(admin({"locks"}).first, 0);
}

TEST_F(AdminTest, UnknownWordsAreRefused) {
    EXPECT_EQ(admin({}).first, 2);
    EXPECT_EQ(admin({"unlock"}).first, 2);
    EXPECT_EQ(admin({"fence"}).first, 2);
}

}  // namespace
}  // namespace lockstep::server::test
