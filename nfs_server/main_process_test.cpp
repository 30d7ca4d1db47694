// The program from outside: options, exit statuses, bad images, bad clients, signals.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "nfs_server/main_server_process.hpp"
#include "nfs_server/rpc/test_client.hpp"
#include "nfs_server/wire/mount3.hpp"
#include "nfs_server/wire/nfs3.hpp"
#include "nfs_server/wire/nlm4.hpp"

namespace lockstep::server::test {
namespace {

namespace stdfs = std::filesystem;
using rpc::test::Bytes;
using rpc::test::Client;

constexpr rpc::test::Target nfs_null{100003, 3, 0};

bool is_served(uint16_t port) {
    Client client(port);
    const auto reply = client.call(nfs_null);
    return reply && !reply->denied && reply->status == 0;
}

struct Refusal {
    int status;
    std::string message;
};

class ProcessTest : public testing::Test {
 protected:
    Refusal refuse(std::vector<std::string> words) {
        words.insert(words.begin(), server_program());
        const int status = run_program(words, directory_.path() / "out", directory_.path() / "err");
        EXPECT_EQ(content_of(directory_.path() / "out"), "") << "a server that can't start is not ready";
        return {status, content_of(directory_.path() / "err")};
    }
    static size_t lines(const std::string& text) { return static_cast<size_t>(std::ranges::count(text, '\n')); }

    TemporaryDirectory directory_;
};

TEST_F(ProcessTest, SaysOnOneLineWhereItServes) {
    ServerProcess server(directory_.path(), "memory:64M", {"--mount-port", "0", "--nlm-port", "0"});
    int ports[3] = {};
    ASSERT_EQ(std::sscanf(server.ready_line().c_str(), "nfs_server ready: nfs=127.0.0.1:%d mount=%d nlm=%d", &ports[0],
                          &ports[1], &ports[2]),
              3);
    EXPECT_NE(ports[0], ports[1]);
    EXPECT_NE(ports[1], ports[2]);
    const rpc::test::Target programs[] = {{100003, 3, 0}, {100005, 3, 0}, {100021, 4, 0}};
    for (int port = 0; port < 3; ++port) {
        for (int program = 0; program < 3; ++program) {
            Client client(static_cast<uint16_t>(ports[port]));
            const auto reply = client.call(programs[program]);
            ASSERT_TRUE(reply.has_value());
            EXPECT_EQ(reply->status, port == program ? 0u : 1u) << "each port has its program and no other";
        }
    }
}

TEST_F(ProcessTest, OnePortServesAllByDefault) {
    ServerProcess server(directory_.path(), "memory:64M");
    Client client(server.port());
    for (const auto& target : {rpc::test::Target{100003, 3, 0}, {100005, 3, 0}, {100021, 4, 0}})
        EXPECT_EQ(client.call(target)->status, 0u);
}

TEST_F(ProcessTest, TermAndIntAreCleanEnds) {
    for (const int signal : {SIGTERM, SIGINT}) {
        ServerProcess server(directory_.path(), "memory:64M");
        Client client(server.port());
        EXPECT_EQ(client.call(nfs_null)->status, 0u);
        EXPECT_EQ(server.stop(signal), 0) << server.errors();
        EXPECT_TRUE(client.is_closed_by_server());
    }
}

TEST_F(ProcessTest, BadOptionsAreOneMessageAndStatusTwo) {
    const std::vector<std::vector<std::string>> bad = {
        {"--disk", "floppy:1M"},
        {"--disk", "memory:lots"},
        {"--disk", "file:/nonexistent/directory/disk:64M"},
        {"--disk", "memory:64M", "--fault", "no_such_fault"},
        {"--disk", "memory:64M", "--bind", "not-an-address"},
        {"--disk", "memory:64M", "--bind", "192.0.2.1", "--port", "0"},
        {},
    };
    for (const auto& words : bad) {
        const Refusal refusal = refuse(words);
        EXPECT_EQ(refusal.status, 2) << refusal.message;
        EXPECT_EQ(lines(refusal.message), 1u) << refusal.message;
    }
    for (const auto& words : std::vector<std::vector<std::string>>{{"--port", "70000"}, {"--no-such-option"}}) {
        const Refusal refusal = refuse(words);
        EXPECT_EQ(refusal.status, 2);
        EXPECT_NE(refusal.message, "");
    }
}

TEST_F(ProcessTest, APortThatIsTakenLeavesTheDiskAlone) {
    ServerProcess first(directory_.path(), "memory:64M");
    const auto disk = directory_.path() / "disk";
    const Refusal refusal = refuse(
        {"--disk", "file:" + disk.string() + ":64M", "--bind", "127.0.0.1", "--port", std::to_string(first.port())});
    EXPECT_EQ(refusal.status, 2);
    EXPECT_FALSE(stdfs::exists(disk));
}

// Random bytes, text, a file system of somebody else: refused, and not one bit changed.
TEST_F(ProcessTest, AnUnknownDiskImageIsRefusedUnchanged) {
    const uint64_t seed = 3;
    std::mt19937_64 random(seed);
    std::string noise(size_t{8} << 20, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    std::string mostly_empty(size_t{8} << 20, '\0');
    mostly_empty.replace(1024, 5, "other");
    std::string text;
    while (text.size() < (size_t{8} << 20)) text += "this is not a disk\n";
    text.resize(size_t{8} << 20);
    for (const std::string& image : {noise, mostly_empty, text}) {
        const auto disk = directory_.path() / "image";
        std::ofstream(disk, std::ios::binary) << image;
        const Refusal refusal = refuse({"--disk", "file:" + disk.string(), "--bind", "127.0.0.1", "--port", "0"});
        EXPECT_EQ(refusal.status, 2);
        EXPECT_EQ(lines(refusal.message), 1u) << refusal.message;
        EXPECT_TRUE(content_of(disk) == image) << "the image has changed: " << refusal.message;
    }
}

// One byte anywhere is somebody's; a sparse image costs no reading.
TEST_F(ProcessTest, OnlyADiskWithNothingOnItIsFormatted) {
    const auto disk = directory_.path() / "sparse";
    constexpr uint64_t size_bytes = uint64_t{64} << 20;
    for (const uint64_t offset : {uint64_t{2} << 20, uint64_t{40'000'000}, size_bytes - 1}) {
        std::ofstream(disk, std::ios::binary).put('\0');
        stdfs::resize_file(disk, size_bytes);
        std::fstream(disk, std::ios::binary | std::ios::in | std::ios::out)
            .seekp(static_cast<std::streamoff>(offset))
            .put('x');
        const std::string image = content_of(disk);
        const Refusal refusal = refuse({"--disk", "file:" + disk.string(), "--bind", "127.0.0.1", "--port", "0"});
        EXPECT_EQ(refusal.status, 2);
        EXPECT_NE(refusal.message.find("byte " + std::to_string(offset)), std::string::npos) << refusal.message;
        EXPECT_TRUE(content_of(disk) == image) << "the image has changed: " << refusal.message;
        stdfs::remove(disk);
    }
    std::ofstream(disk, std::ios::binary).put('\0');
    stdfs::resize_file(disk, uint64_t{2} << 30);
    ServerProcess server(directory_.path(), "file:" + disk.string());
    EXPECT_TRUE(is_served(server.port())) << "holes are blank";
    EXPECT_EQ(server.stop(), 0) << server.errors();
}

TEST_F(ProcessTest, ADamagedImageIsRefusedUnchanged) {
    const auto disk = directory_.path() / "disk";
    ServerProcess(directory_.path(), "file:" + disk.string() + ":16M").stop();
    std::string image = content_of(disk);
    for (size_t offset = 0; offset < 16384; offset += 100) image[offset] = static_cast<char>(~image[offset]);
    std::ofstream(disk, std::ios::binary) << image;
    const Refusal refusal = refuse({"--disk", "file:" + disk.string(), "--bind", "127.0.0.1", "--port", "0"});
    EXPECT_EQ(refusal.status, 2);
    EXPECT_EQ(lines(refusal.message), 1u) << refusal.message;
    EXPECT_TRUE(content_of(disk) == image) << refusal.message;
}

TEST_F(ProcessTest, ASecondServerOnOneDiskIsRefused) {
    const std::string disk = "file:" + (directory_.path() / "disk").string();
    ServerProcess first(directory_.path(), disk + ":16M");
    const Refusal refusal = refuse({"--disk", disk, "--bind", "127.0.0.1", "--port", "0"});
    EXPECT_EQ(refusal.status, 2);
    EXPECT_TRUE(is_served(first.port()));
}

// Seeded lies of every kind over real sockets; after each the next client is served.
TEST_F(ProcessTest, MalformedRequestsNeverKeepTheNextClientFromBeingServed) {
    const uint64_t seed = 17;
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    ServerProcess server(directory_.path(), "memory:64M");
    const std::pair<uint32_t, uint32_t> programs[] = {{100003, 3}, {100005, 3}, {100021, 4}};
    for (int round = 0; round < 400; ++round) {
        const auto [program, version] = programs[random() % 3];
        Bytes message = rpc::test::call_message(7, {program, version, static_cast<uint32_t>(random() % 24)},
                                                rpc::xdr_no_value, {}, 0);
        const size_t head_bytes = message.size();
        // Arguments of small words: lengths and discriminants that are often plausible.
        for (size_t words = random() % 60; words > 0; --words)
            rpc::test::append_word(message, static_cast<uint32_t>(random() % 10 == 0 ? random() : random() % 70));
        if (round % 5 == 0) message[random() % head_bytes] = static_cast<std::byte>(random());
        Bytes record = rpc::test::record_of(message, 1 + random() % 200);
        if (round % 7 == 0) record.resize(random() % record.size());
        Client client(server.port());
        client.send(record);
        if (round % 3 != 0) continue;  // gone without waiting
        client.end_output();
        while (client.receive_record()) {
        }
        ASSERT_TRUE(is_served(server.port())) << "round " << round;
    }
    EXPECT_TRUE(is_served(server.port()));
    EXPECT_EQ(server.stop(), 0) << server.errors();
}

TEST_F(ProcessTest, FaultsAreListedAndAnnounced) {
    const auto out = directory_.path() / "out";
    EXPECT_EQ(run_program({server_program(), "--list-faults"}, out), 0);
    for (const char* fault : {"double_grant", "reply_before_commit", "release_lock_early"})
        EXPECT_NE(content_of(out).find(fault), std::string::npos) << content_of(out);
    ServerProcess server(directory_.path(), "memory:64M", {"--fault", "double_grant", "--fault-seed", "4"});
    EXPECT_NE(server.errors().find("DELIBERATE FAULT double_grant (seed 4)"), std::string::npos);
}

TEST_F(ProcessTest, LinksNoMonitorAndNoReactor) {
    const auto out = directory_.path() / "out";
    ASSERT_EQ(run_program({"ldd", server_program()}, out), 0);
    const std::string libraries = content_of(out);
    for (const char* word : {"monitor", "reactor", "agent", "codegen"})
        EXPECT_EQ(libraries.find(word), std::string::npos) << libraries;
}

}  // namespace
}  // namespace lockstep::server::test
