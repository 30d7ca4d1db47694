// A file system whose log is small: what it offers to take in one transaction, it takes.
#include <gtest/gtest.h>

#include <string>

#include "nfs_server/fs/file_data.hpp"
#include "nfs_server/fs/test_file_system.hpp"
#include "nfs_server/journal/format.hpp"

namespace lockstep::server::fs {
namespace {

constexpr std::uint64_t data_blocks = 2000;

class SmallLog : public testing::TestWithParam<std::uint64_t> {
 protected:
    SmallLog() : disk_(GetParam() + data_blocks) {
        EXPECT_TRUE(journal::Journal::format(disk_, {.log_blocks = GetParam()}));
        // Of version 1: nothing goes straight home.
        auto superblock = journal::decode_superblock(disk_.block(0).span());
        EXPECT_TRUE(superblock);
        superblock->version = journal::format_version_without_homes;
        disk_.put(0, journal::encode(*superblock));
        stack_ = std::make_unique<test::MountedStack>(disk_, clock_, test::TestOptions{.format = {.seed = 1}});
    }
    void checkpoint() { ASSERT_TRUE(stack_->journal().checkpoint()); }
    bool write(std::uint64_t offset, const std::string& data) {
        checkpoint();  // the log is empty
        return file_system()
            .run(0,
                 [&](Operation& op) -> Outcome<void> {
                     LOCKSTEP_TRY(Inode * inode, op.lock_inode(file_, txn::LockMode::exclusive));
                     return write_bytes(op, *inode, offset, std::as_bytes(std::span(data)));
                 })
            .result.has_value();
    }
    FileSystem& file_system() { return stack_->file_system(); }
    void SetUp() override {
        const auto made = file_system().run(0, [](Operation& op) -> Outcome<std::uint64_t> {
            LOCKSTEP_TRY(Inode * inode, op.create_inode(FileType::regular));
            inode->change().nlink = 1;
            return inode->number();
        });
        ASSERT_TRUE(made.result);
        file_ = *made.result;
    }

 private:
    ManualClock clock_;
    disk::ImageDisk disk_;
    std::unique_ptr<test::MountedStack> stack_;
    std::uint64_t file_ = 0;
};

TEST_P(SmallLog, TakesTheLargestWriteThatItOffersNewOrOverWhatIsThereAndAnywhere) {
    const std::string data(file_system().max_write_bytes(), 'x');
    EXPECT_GE(data.size(), block_bytes);
    EXPECT_TRUE(write(0, data)) << "new";
    EXPECT_TRUE(write(0, data)) << "over the same blocks, all of it through the log";
    EXPECT_TRUE(write(100, data)) << "over parts of blocks";
    EXPECT_TRUE(write((std::uint64_t{1} << 51) + 5, data)) << "where the map has to grow to its full height";
    EXPECT_TRUE(write((std::uint64_t{1} << 40) + 5, data)) << "in a part of the map that is new";
}

INSTANTIATE_TEST_SUITE_P(Blocks, SmallLog, testing::Values(24, 28, 32, 33, 48, 64, 100),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace lockstep::server::fs
