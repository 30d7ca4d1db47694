// Exports and the configuration file, from outside: what is wrong is said with its place, SIGHUP reads the exports
// again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nfs_server/main_server_process.hpp"
#include "nfs_server/test_raw_client.hpp"
#include "nfs_server/wire/nlm4.hpp"

namespace lockstep::server::test {
namespace {

using testing::HasSubstr;

class Configured : public testing::Test {
 protected:
    std::string file() const { return (directory_.path() / "server.toml").string(); }
    void write(const std::string& text) const { std::ofstream(file()) << text; }
    // What a server that refuses to start says.
    std::string refusal() const {
        const auto errors = directory_.path() / "errors";
        EXPECT_EQ(run_program({server_program(), "--config", file()}, "/dev/null", errors), 2);
        return content_of(errors);
    }
    // The first words of each export's line: path and networks.
    std::vector<std::string> exported(uint16_t port) const {
        rpc::test::Client client(port);
        Arena arena;
        const auto list = client.call<rpc::NoValue, wire::exports>({MOUNT_PROGRAM, MOUNT_V3, MOUNTPROC3_EXPORT},
                                                                   rpc::xdr_no_value, {}, wire::xdr_exports, arena);
        std::vector<std::string> lines;
        for (const auto* node = list.value_or(nullptr); node != nullptr; node = node->ex_next) {
            lines.emplace_back(node->ex_dir);
            for (const auto* group = node->ex_groups; group != nullptr; group = group->gr_next)
                lines.back() += std::string(" ") + group->gr_name;
        }
        return lines;
    }
    static int occurrences(const std::string& text, const std::string& part) {
        int count = 0;
        for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
        return count;
    }
    // The exports once they are `wanted`, or what they are after a while.
    std::vector<std::string> exported_in_the_end(uint16_t port, const std::vector<std::string>& wanted) const {
        for (int tries = 0; tries < 5000 && exported(port) != wanted; ++tries) usleep(1000);
        return exported(port);
    }

    // What the lock manager says to a user.
    static wire::nlm4_stats lock(uint16_t port, const Handle& file, uint32_t uid, bool exclusive) {
        rpc::test::Client client(port);
        Arena arena;
        char name[] = "client";
        wire::nlm4_lockargs args{};
        args.exclusive = exclusive;
        args.alock = {.caller_name = name,
                      .fh = {static_cast<u_int>(file.size()), const_cast<char*>(file.data())},
                      .oh = {6, name},
                      .svid = static_cast<int32_t>(uid),
                      .l_offset = uid,
                      .l_len = 1};
        const auto res =
            client.call({NLM_PROGRAM, 4, NLMPROC4_LOCK}, wire::xdr_nlm4_lockargs, args, wire::xdr_nlm4_res, arena, uid);
        return res ? res->stat.stat : wire::NLM4_FAILED;
    }

    TemporaryDirectory directory_;
};

TEST_F(Configured, EveryErrorIsToldWithItsPlace) {
    write(
        "disk = 7\n"
        "ports = 2049\n"
        "threads = 0\n"
        "log_level = \"loud\"\n"
        "[[export]]\n"
        "path = \"/a\"\n"
        "clients = [\"192.0.2.0/24\", \"nowhere\"]\n"
        "  squash = \"some\"\n"
        "[[export]]\n"
        "read_only = true\n");
    const std::string said = refusal();
    EXPECT_THAT(said, HasSubstr("server.toml:1:8: disk must be a text"));
    EXPECT_THAT(said, HasSubstr("server.toml:2:1: there is no setting ports"));
    EXPECT_THAT(said, HasSubstr("server.toml:3:11: threads must be a number from 1 to 4096"));
    EXPECT_THAT(said, HasSubstr("server.toml:4:13: log_level is none of debug, info, warning, error"));
    EXPECT_THAT(said, HasSubstr("server.toml:7:28: \"nowhere\" is no network"));
    EXPECT_THAT(said, HasSubstr("server.toml:8:12: squash is none of none, root, all"));
    EXPECT_THAT(said, HasSubstr("server.toml:9:1: an export needs a path"));
}

TEST_F(Configured, WhatIsNoTomlIsToldWithItsPlace) {
    write("disk = \"memory:64M\"\nport == 1\n");
    EXPECT_THAT(refusal(), HasSubstr("server.toml:2:"));
    write("disk = \"memory:64M\"\n[[export]]\npath = \"/a\"\n[[export]]\npath = \"/a\"\n");
    EXPECT_THAT(refusal(), HasSubstr("/a is exported twice"));
}

TEST_F(Configured, AMissingFileIsAnError) {
    EXPECT_THAT(refusal(), HasSubstr("server.toml"));
}

TEST_F(Configured, TheCommandLineWinsOverTheFile) {
    write("disk = \"file:/nowhere/at/all\"\nport = 1\n[[export]]\npath = \"/of/the/file\"\n");
    const ServerProcess server(directory_.path(), "memory:64M", {"--config", file()});
    EXPECT_EQ(exported(server.port()), std::vector<std::string>{"/of/the/file"});
    const ServerProcess other(directory_.path(), "memory:64M",
                              {"--config", file(), "--export", "/given,clients=192.0.2.0/24"});
    EXPECT_EQ(exported(other.port()), std::vector<std::string>{"/given 192.0.2.0/24"});
}

TEST_F(Configured, SighupReadsTheExportsAgainAndAnErrorChangesNothing) {
    write("[[export]]\npath = \"/export\"\n");
    ServerProcess server(directory_.path(), "memory:64M", {"--config", file()});
    RawClient client(server.port());
    const Handle root = client.mount();
    ASSERT_FALSE(root.empty());
    ASSERT_EQ(status_of(client.exchange(create_call(1, root, "a"))), wire::NFS3_OK);

    write("[[export]]\npath = \"/export\"\nread_only = true\n[[export]]\npath = \"/more\"\n");
    kill(server.pid(), SIGHUP);
    const std::vector<std::string> both = {"/export", "/more"};
    EXPECT_EQ(exported_in_the_end(server.port(), both), both);
    EXPECT_EQ(status_of(client.exchange(create_call(2, root, "b"))), wire::NFS3ERR_ROFS) << "handles stay valid";

    // A wrong value, no TOML at all, nothing there: each is told, and nothing changes.
    const auto reload_in_vain = [&](int times, const char* message) {
        kill(server.pid(), SIGHUP);
        for (int tries = 0; tries < 5000 && occurrences(server.errors(), "stay as they are") < times; ++tries)
            usleep(1000);
        EXPECT_THAT(server.errors(), HasSubstr(message));
        EXPECT_EQ(occurrences(server.errors(), "stay as they are"), times) << server.errors();
        EXPECT_EQ(exported(server.port()), both) << message;
    };
    write("[[export]]\npath = \"export\"\n");
    reload_in_vain(1, "server.toml:1:1: an export needs a path");
    write("[[export]]\npath = \"/export\"\n[[export\n");
    reload_in_vain(2, "server.toml:3:");
    std::filesystem::remove(file());
    reload_in_vain(3, "server.toml");
    write("port = 0\n");
    reload_in_vain(4, "nothing is exported");

    write("[[export]]\npath = \"/more\"\n");
    kill(server.pid(), SIGHUP);
    const std::vector<std::string> more = {"/more"};
    EXPECT_EQ(exported_in_the_end(server.port(), more), more);
    EXPECT_EQ(status_of(client.exchange(create_call(3, root, "b"))), wire::NFS3ERR_STALE);
    EXPECT_EQ(server.stop(), 0);
}

TEST_F(Configured, LocksAreForThoseWhoMayUseTheFileThroughItsExport) {
    const auto serve = [this](const std::string& settings) { write("[[export]]\npath = \"/export\"\n" + settings); };
    serve("");
    ServerProcess server(directory_.path(), "memory:64M", {"--config", file()});
    RawClient client(server.port());
    const Handle root = client.mount();
    const Handle closed = created_handle(client.exchange(create_call(1, root, "closed")));  // mode 0 unless told
    EXPECT_EQ(lock(server.port(), root, 0, true), wire::NLM4_GRANTED);
    EXPECT_EQ(lock(server.port(), closed, 0, true), wire::NLM4_GRANTED) << "the superuser's, and its own";
    EXPECT_EQ(lock(server.port(), closed, 1000, false), wire::NLM4_FAILED) << "it may neither read nor write it";

    const auto reload = [&](const std::string& settings, wire::nlm4_stats wanted, uint32_t uid, bool exclusive) {
        serve(settings);
        kill(server.pid(), SIGHUP);
        const auto ask = [&] { return lock(server.port(), root, uid, exclusive); };
        for (int tries = 0; tries < 5000 && ask() != wanted; ++tries) usleep(1000);
        EXPECT_EQ(ask(), wanted) << settings;
    };
    reload("read_only = true\n", wire::NLM4_ROFS, 0, true);
    EXPECT_EQ(lock(server.port(), root, 0, false), wire::NLM4_GRANTED);
    reload("squash = \"all\"\n", wire::NLM4_GRANTED, 2, true);
    EXPECT_EQ(lock(server.port(), closed, 0, true), wire::NLM4_FAILED) << "the superuser is nobody now";
    reload("clients = [\"192.0.2.0/24\"]\n", wire::NLM4_FAILED, 3, true);
    EXPECT_EQ(server.stop(), 0);
}

}  // namespace
}  // namespace lockstep::server::test
