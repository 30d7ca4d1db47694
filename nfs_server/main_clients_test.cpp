// Real clients against the real server: Debian's libnfs utilities, and libnfs itself.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "nfs_server/main_nfs_client.hpp"
#include "nfs_server/main_server_process.hpp"

namespace lockstep::server::test {
namespace {

namespace stdfs = std::filesystem;

// A tree of `count` files in directories up to three deep; contents, sizes and names from the seed.
std::vector<stdfs::path> make_tree(const stdfs::path& root, size_t count, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<stdfs::path> files;
    for (size_t i = 0; i < count; ++i) {
        stdfs::path directory;
        for (size_t depth = i % 4; depth > 0; --depth) directory /= "directory " + std::to_string(random() % 4);
        stdfs::create_directories(root / directory);
        const std::string name = "file-" + std::to_string(i) + std::string(random() % 60, 'n');
        const size_t size = i % 100 == 0 ? 300'000 + random() % 3'000'000 : random() % 9000;
        std::string content(size, '\0');
        for (char& c : content) c = static_cast<char>(random());
        std::ofstream(root / directory / name, std::ios::binary) << content;
        files.push_back(directory / name);
    }
    return files;
}

// Calls `work` for each of the paths from four threads; false once it was false.
template <class Work>
bool for_each_in_parallel(const std::vector<stdfs::path>& paths, Work work) {
    std::atomic<size_t> next{0};
    std::atomic<bool> good{true};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (size_t at = next++; at < paths.size() && good; at = next++)
                if (!work(paths[at])) good = false;
        });
    }
    for (auto& thread : threads) thread.join();
    return good;
}

class ClientsTest : public testing::Test {
 protected:
    TemporaryDirectory directory_;
    ServerProcess server_{directory_.path(), "memory:256M"};
};

TEST_F(ClientsTest, NfsCpCopiesATreeOfAThousandFilesInAndOut) {
    const stdfs::path in = directory_.path() / "in";
    const stdfs::path out = directory_.path() / "out";
    const auto files = make_tree(in, 1000, 11);
    NfsClient client(server_.url());
    for (const auto& entry : stdfs::recursive_directory_iterator(in)) {
        if (!entry.is_directory()) continue;
        const auto below = stdfs::relative(entry.path(), in);
        ASSERT_EQ(client.make_directory("/" + below.string()), 0) << below;
        stdfs::create_directories(out / below);
    }
    const auto remote = [&](const stdfs::path& file) { return server_.url("/" + file.string()); };
    EXPECT_TRUE(for_each_in_parallel(files, [&](const auto& file) {
        return run_program({"nfs-cp", (in / file).string(), remote(file)}) == 0;
    }));
    EXPECT_TRUE(for_each_in_parallel(files, [&](const auto& file) {
        return run_program({"nfs-cp", remote(file), (out / file).string()}) == 0;
    }));
    EXPECT_EQ(run_program({"diff", "-r", in.string(), out.string()}, directory_.path() / "diff"), 0)
        << content_of(directory_.path() / "diff");
}

TEST_F(ClientsTest, NfsCatAndNfsLsShowWhatIsThere) {
    NfsClient client(server_.url());
    ASSERT_EQ(client.write_file("/greeting", "hello over the network\n", false), 0);
    ASSERT_EQ(client.make_directory("/place"), 0);
    const auto out = directory_.path() / "output";
    EXPECT_EQ(run_program({"nfs-cat", server_.url("/greeting")}, out), 0);
    EXPECT_EQ(content_of(out), "hello over the network\n");
    EXPECT_EQ(run_program({"nfs-ls", server_.url()}, out), 0);
    const std::string listing = content_of(out);
    EXPECT_NE(listing.find("23 greeting"), std::string::npos) << listing;
    EXPECT_NE(listing.find("place"), std::string::npos) << listing;
    EXPECT_EQ(listing[listing.find("place") == 0 ? 0 : listing.rfind('\n', listing.find("place")) + 1], 'd') << listing;
    EXPECT_NE(run_program({"nfs-cat", server_.url("/missing")}, out), 0);
}

// What nfs-stat would print: Debian's libnfs-utils has no such program, libnfs has the call.
TEST_F(ClientsTest, AttributesAreThoseOfTheFile) {
    NfsClient client(server_.url());
    ASSERT_EQ(client.write_file("/file", std::string(12345, 'x'), true), 0);
    nfs_stat_64 stat{};
    ASSERT_EQ(client.stat("/file", stat), 0);
    EXPECT_EQ(stat.nfs_size, 12345u);
    EXPECT_EQ(stat.nfs_mode & 07777, 0644u);
    EXPECT_TRUE(S_ISREG(stat.nfs_mode));
    EXPECT_EQ(stat.nfs_nlink, 1u);
    EXPECT_EQ(stat.nfs_uid, getuid());
    ASSERT_EQ(client.rename("/file", "/other"), 0);
    EXPECT_EQ(client.stat("/file", stat), -ENOENT);
    ASSERT_EQ(client.remove("/other"), 0);
    EXPECT_EQ(client.stat("/other", stat), -ENOENT);
}

TEST_F(ClientsTest, ClientsAtTheSameTimeDoNotDisturbEachOther) {
    std::vector<std::thread> clients;
    std::atomic<int> wrong{0};
    for (int id = 0; id < 6; ++id) {
        clients.emplace_back([&, id] {
            std::mt19937_64 random(static_cast<uint64_t>(id));
            NfsClient client(server_.url());
            const std::string home = "/client-" + std::to_string(id);
            if (client.make_directory(home) != 0) ++wrong;
            for (int i = 0; i < 40; ++i) {
                const std::string path = home + "/" + std::to_string(i % 7);
                const std::string content(random() % 50'000, static_cast<char>('a' + i % 26));
                std::string back;
                if (client.write_file(path, content, i % 2 == 0) != 0) ++wrong;
                if (client.read_file(path, back) != 0 || back != content) ++wrong;
            }
        });
    }
    for (auto& client : clients) client.join();
    EXPECT_EQ(wrong, 0);
}

TEST(ClientsOnAFile, WhatWasWrittenSurvivesACleanRestart) {
    TemporaryDirectory directory;
    const std::string disk = "file:" + (directory.path() / "disk").string();
    const std::string content(200'000, 'k');
    {
        ServerProcess server(directory.path(), disk + ":64M");
        NfsClient client(server.url());
        ASSERT_EQ(client.make_directory("/kept"), 0);
        ASSERT_EQ(client.write_file("/kept/file", content, false), 0);
        EXPECT_EQ(server.stop(), 0) << server.errors();
    }
    ServerProcess server(directory.path(), disk);
    NfsClient client(server.url());
    std::string back;
    ASSERT_EQ(client.read_file("/kept/file", back), 0);
    EXPECT_EQ(back, content);
    EXPECT_EQ(server.errors().find("recovered"), std::string::npos) << "after a clean stop there is nothing to recover";
}

}  // namespace
}  // namespace lockstep::server::test
