// nfs_server mkfs, fsck and dump as an operator runs them: exit statuses, messages, and that an image is never changed
// by who only looks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include "nfs_server/main_server_process.hpp"

namespace lockstep::server::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr size_t block_bytes = 4096;

class ImageToolsTest : public testing::Test {
 protected:
    struct Outcome {
        int status = 0;
        std::string output;
        std::string errors;
    };

    Outcome tool(std::vector<std::string> words) const {
        words.insert(words.begin(), server_program());
        const auto output = directory_.path() / "out", errors = directory_.path() / "err";
        const int status = run_program(words, output, errors);
        return {status, content_of(output), content_of(errors)};
    }

    json dump() const {
        const Outcome dumped = tool({"dump", "--json", image_});
        EXPECT_EQ(dumped.status, 0) << dumped.output << dumped.errors;
        return json::parse(dumped.output);
    }

    // A file system with a directory, a hundred files and a log that nobody has replayed.
    void leave_killed_server() const {
        const auto file = directory_.path() / "file";
        std::ofstream(file) << std::string(5000, 'x');
        ServerProcess server(directory_.path(), "file:" + image_ + ":64M");
        for (int i = 0; i < 20; ++i)
            ASSERT_EQ(run_program({"nfs-cp", file.string(), server.url("/f" + std::to_string(i))}), 0);
        server.kill_now();
    }

    void overwrite(uint64_t block, size_t offset, const std::string& bytes) const {
        std::fstream stream(image_, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekp(static_cast<std::streamoff>(block * block_bytes + offset));
        stream << bytes;
        ASSERT_TRUE(stream.good());
    }

    TemporaryDirectory directory_;
    std::string image_ = (directory_.path() / "image").string();
};

TEST_F(ImageToolsTest, WhatMkfsMadeIsCleanAndServed) {
    const Outcome made = tool({"mkfs", image_, "--size", "64M", "--inodes", "1000", "--log-blocks", "512"});
    EXPECT_EQ(made.status, 0) << made.errors;
    EXPECT_THAT(made.output, HasSubstr("inodes, file system id "));
    EXPECT_EQ(std::filesystem::file_size(image_), 64u << 20);
    const Outcome checked = tool({"fsck", image_});
    EXPECT_EQ(checked.status, 0) << checked.output;
    EXPECT_THAT(checked.output, HasSubstr("clean; 0 files, 1 directories"));
    const json shown = dump();
    EXPECT_GE(shown.at("superblock").at("inode_count"), 1000);
    EXPECT_EQ(shown.at("log").at("superblocks").at(0).at("log_blocks"), 512);

    ServerProcess server(directory_.path(), "file:" + image_);
    EXPECT_EQ(run_program({"nfs-ls", server.url()}), 0);
    EXPECT_EQ(server.stop(), 0);
}

TEST_F(ImageToolsTest, MkfsOverwritesNothing) {
    ASSERT_EQ(tool({"mkfs", image_, "--size", "16M"}).status, 0);
    const std::string before = content_of(image_);
    const Outcome again = tool({"mkfs", image_});
    EXPECT_EQ(again.status, 2);
    EXPECT_THAT(again.errors, HasSubstr("there is a file system already"));
    EXPECT_EQ(content_of(image_), before);

    const std::string foreign(1 << 20, 'f');
    std::ofstream(image_, std::ios::binary) << foreign;
    EXPECT_EQ(tool({"mkfs", image_}).status, 2);
    EXPECT_EQ(content_of(image_), foreign);
}

TEST_F(ImageToolsTest, AKilledServersImageIsCheckedAndShownAndNotChanged) {
    leave_killed_server();
    const std::string before = content_of(image_);
    const Outcome checked = tool({"fsck", "--json", image_});
    EXPECT_EQ(checked.status, 0) << checked.output;
    const json report = json::parse(checked.output);
    EXPECT_EQ(report.at("verdict"), "clean");
    EXPECT_GE(report.at("files"), 20);  // and what the server keeps for itself
    EXPECT_GT(report.at("replayed_last"), 0);

    const json shown = dump();
    EXPECT_FALSE(shown.at("log").at("groups").empty());
    const auto files = std::ranges::count_if(
        shown.at("inodes"), [](const json& inode) { return inode.at("type") == "file" && inode.at("size") == 5000; });
    EXPECT_EQ(files, 20);
    EXPECT_THAT(tool({"dump", image_}).output, HasSubstr("type directory"));
    EXPECT_TRUE(content_of(image_) == before);
}

TEST_F(ImageToolsTest, ADamagedInodeIsFoundAndTheRestIsShown) {
    leave_killed_server();
    {
        ServerProcess server(directory_.path(), "file:" + image_);  // so that all is in its place and the log is empty
        ASSERT_EQ(server.stop(), 0);
    }
    const json sound = dump();
    const uint64_t table = sound.at("superblock").at("inode_table_start");
    // The block lies behind the log's own blocks.
    const uint64_t data_start = sound.at("log").at("superblocks").at(0).at("data_start");
    overwrite(data_start + table, 100, "damage");
    const Outcome checked = tool({"fsck", image_});
    EXPECT_EQ(checked.status, 1) << checked.output;
    EXPECT_THAT(checked.output, HasSubstr("damaged"));
    const Outcome shown = tool({"dump", "--json", image_});
    EXPECT_EQ(shown.status, 1);
    EXPECT_FALSE(json::parse(shown.output).at("problems").empty());
}

// What they say is free would be given out: a server that believed damaged ones would write over somebody's files.
TEST_F(ImageToolsTest, DamagedBitmapsAreNoticedByTheNextServer) {
    leave_killed_server();
    {
        ServerProcess server(directory_.path(), "file:" + image_);
        ASSERT_EQ(server.stop(), 0);
    }
    const json sound = dump();
    const std::string left = content_of(image_);
    const uint64_t data_start = sound.at("log").at("superblocks").at(0).at("data_start");
    const auto errors = directory_.path() / "errors";
    for (const char* bitmap : {"block_bitmap_start", "inode_bitmap_start", "orphan_bitmap_start"}) {
        const uint64_t block = data_start + sound.at("superblock").at(bitmap).get<uint64_t>();
        std::ofstream(image_, std::ios::binary) << left;
        overwrite(block, 0, "\x55");
        const std::string damaged = content_of(image_);
        EXPECT_EQ(run_program({server_program(), "--disk", "file:" + image_, "--port", "0"}, "/dev/null", errors), 2);
        EXPECT_THAT(content_of(errors), HasSubstr("the bitmaps are not as the server left them")) << bitmap;
        EXPECT_TRUE(content_of(image_) == damaged) << "refused, and changed";
        EXPECT_EQ(tool({"fsck", image_}).status, 1);
    }
    std::ofstream(image_, std::ios::binary) << left;
    for (const bool is_killed : {true, false}) {
        ServerProcess server(directory_.path(), "file:" + image_);
        EXPECT_EQ(run_program({"nfs-cp", errors.string(), server.url(is_killed ? "/new" : "/newer")}), 0);
        if (is_killed)
            server.kill_now();
        else
            EXPECT_EQ(server.stop(), 0);
    }
    ServerProcess server(directory_.path(), "file:" + image_);
    EXPECT_EQ(server.stop(), 0);
}

// No crash leaves them so: the log writes them whole.
TEST_F(ImageToolsTest, ADamagedRecordOfTheLastEndIsRefused) {
    ServerProcess(directory_.path(), "file:" + image_ + ":4M").stop();
    const std::string left = content_of(image_);
    const uint64_t block = dump().at("log").at("superblocks").at(0).at("data_start");
    const auto errors = directory_.path() / "errors";
    for (const size_t offset : {size_t{520}, size_t{540}}) {
        std::ofstream(image_, std::ios::binary) << left;
        overwrite(block, offset, "damage");
        EXPECT_EQ(run_program({server_program(), "--disk", "file:" + image_, "--port", "0"}, "/dev/null", errors), 2);
        EXPECT_THAT(content_of(errors), HasSubstr("contradicts its checksum"));
        EXPECT_EQ(tool({"fsck", image_}).status, 1);
    }
}

TEST_F(ImageToolsTest, ALogThatIsTooSmallForAWriteIsNotMade) {
    for (const char* blocks : {"1", "23", "-1"}) {
        const Outcome outcome = tool({"mkfs", image_, "--size", "4M", "--log-blocks", blocks});
        EXPECT_EQ(outcome.status, 2) << blocks;
        EXPECT_THAT(outcome.errors, HasSubstr("--log-blocks"));
        EXPECT_FALSE(std::filesystem::exists(image_));
    }
    EXPECT_EQ(tool({"mkfs", image_, "--size", "4M", "--log-blocks", "24"}).status, 0);
}

TEST_F(ImageToolsTest, EveryDamagedBlockOfTheHeadIsSurvivedWithAStatus) {
    ASSERT_EQ(tool({"mkfs", image_, "--size", "4M", "--log-blocks", "64"}).status, 0);
    const std::string sound = content_of(image_);
    const uint64_t data_start = dump().at("log").at("superblocks").at(0).at("data_start");
    for (const uint64_t block : {uint64_t{0}, uint64_t{1}, uint64_t{2}, data_start, data_start + 1, data_start + 2}) {
        std::ofstream(image_, std::ios::binary) << sound;
        overwrite(block, 0, std::string(block_bytes, '\xa5'));
        for (const char* name : {"fsck", "dump"}) {
            const Outcome outcome = tool({name, image_});
            EXPECT_LE(outcome.status, 2) << name << " of an image whose block " << block << " is damaged";
            // Of the log's superblock there are two, and a crash may leave one of them torn, and any block of the log.
            const int least = name == std::string("fsck") && block >= data_start ? 1 : 0;
            EXPECT_GE(outcome.status, least) << name << " of an image whose block " << block << " is damaged";
        }
    }
}

TEST_F(ImageToolsTest, WhatIsNoImageIsRefusedInOneSentence) {
    for (const char* name : {"fsck", "dump"}) {
        const Outcome missing = tool({name, image_});
        EXPECT_EQ(missing.status, 2);
        EXPECT_THAT(missing.errors, HasSubstr("No such file"));
        EXPECT_EQ(tool({name, "/dev/null"}).status, 2);
        EXPECT_EQ(tool({name}).status, 2);
    }
    EXPECT_EQ(tool({"mkfs", image_, "--size", "lots"}).status, 2);
    EXPECT_FALSE(std::filesystem::exists(image_));
}

TEST_F(ImageToolsTest, AResultThatCannotBeWrittenIsNoResult) {
    ASSERT_EQ(tool({"mkfs", image_, "--size", "1M"}).status, 0);
    for (const char* name : {"fsck", "dump"}) {
        const auto errors = directory_.path() / "errors";
        EXPECT_EQ(run_program({server_program(), name, image_}, "/dev/full", errors), 2) << name;
        EXPECT_THAT(content_of(errors), HasSubstr("No space left on device")) << name;
    }
}

TEST_F(ImageToolsTest, AnAttemptThatFailedLeavesNothingBehind) {
    const Outcome small = tool({"mkfs", image_, "--size", "8K"});
    EXPECT_EQ(small.status, 2);
    EXPECT_FALSE(std::filesystem::exists(image_)) << small.errors;
    EXPECT_EQ(run_program({server_program(), "--disk", "file:" + image_ + ":8K", "--port", "0"}), 2);
    EXPECT_FALSE(std::filesystem::exists(image_));
    EXPECT_EQ(tool({"mkfs", image_, "--size", "1M"}).status, 0);
}

// What fsck keeps in memory follows from what is in use, not from what could be.
TEST_F(ImageToolsTest, AVastImageIsCheckedInLittleMemory) {
    ASSERT_EQ(tool({"mkfs", image_, "--size", "32G", "--inodes", "1200000"}).status, 0);
    EXPECT_EQ(tool({"fsck", image_}).status, 0);
    rusage used{};
    getrusage(RUSAGE_CHILDREN, &used);
    EXPECT_LT(used.ru_maxrss, 450'000) << "KiB, of which 256 MiB are the cache; the table of inodes has 300 MB";
}

TEST_F(ImageToolsTest, AnImageInUseIsLeftAlone) {
    ServerProcess server(directory_.path(), "file:" + image_ + ":16M");
    for (const char* name : {"fsck", "dump", "mkfs"}) {
        const Outcome outcome = tool({name, image_});
        EXPECT_EQ(outcome.status, 2) << name;
        EXPECT_THAT(outcome.errors, HasSubstr("in use")) << name;
    }
    EXPECT_EQ(server.stop(), 0);
}

}  // namespace
}  // namespace lockstep::server::test
