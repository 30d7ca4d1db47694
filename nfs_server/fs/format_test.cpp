#include "nfs_server/fs/format.hpp"

#include <gmock/gmock.h>

#include <stdlib.h>

#include <atomic>
#include <cstring>
#include <filesystem>

#include "nfs_server/base/check.hpp"
#include "nfs_server/disk/file_disk.hpp"
#include "nfs_server/fs/directory.hpp"
#include "nfs_server/fs/file_data.hpp"
#include "nfs_server/fs/test_file_system.hpp"

namespace lockstep::server::fs {
namespace {

using test::TestFileSystem;

void write(txn::TransactionManager& transactions, std::uint64_t block, std::uint32_t offset, std::string_view text) {
    auto done = transactions.run(0, [&](txn::Transaction& txn) -> Result<void, StorageError> {
        const auto lock = txn::LockAddress(txn::LockKind::superblock, 0);
        LOCKSTEP_TRY(txn.lock(lock, txn::LockMode::exclusive));
        return txn.write(lock, block, offset, std::as_bytes(std::span(text)));
    });
    ASSERT_TRUE(done && done->result);
}

// A journal on an empty disk, and what lies in its data blocks.
class Format : public testing::Test {
 protected:
    Format() : disk_(4096) {
        check(journal::Journal::format(disk_).has_value(), "the journal can't be formatted");
        open();
    }
    void open() {
        transactions_.reset();
        journal_.reset();
        auto journal = journal::Journal::open(disk_, {.background = false});
        check(journal.has_value(), "the journal can't be opened");
        journal_ = std::move(*journal);
        transactions_ = std::make_unique<txn::TransactionManager>(*journal_);
    }
    void write(std::uint64_t block, std::uint32_t offset, std::string_view text) {
        fs::write(*transactions_, block, offset, text);
    }
    std::vector<std::byte> content() {
        std::vector<std::byte> all;
        txn::Transaction txn = transactions_->begin(0);
        for (std::uint64_t block = 0; block < transactions_->size_blocks(); ++block) {
            const auto buffer = txn.read_block(block);
            all.insert(all.end(), buffer->span().begin(), buffer->span().end());
        }
        return all;
    }

    disk::ImageDisk disk_;
    ManualClock clock_;
    std::unique_ptr<journal::Journal> journal_;
    std::unique_ptr<txn::TransactionManager> transactions_;
};

TEST_F(Format, ABlankDiskIsFormattedAndSound) {
    EXPECT_EQ(read_superblock(*transactions_).error().code, StorageError::blank);
    ASSERT_TRUE(FileSystem::mount_or_format(*transactions_, clock_, {}, false));
    const CheckReport report = check_file_system(*transactions_);
    EXPECT_THAT(report.problems, testing::IsEmpty());
    EXPECT_EQ(report.directories, 1u);
    EXPECT_EQ(report.files, 0u);
}

TEST_F(Format, FormattingIsDurableAtOnce) {
    ASSERT_TRUE(format(*transactions_, {}, 1));
    open();  // as after a crash
    EXPECT_TRUE(FileSystem::mount(*transactions_, clock_, false));
}

TEST_F(Format, AForeignFirstBlockIsRefusedAndLeftUnchanged) {
    write(0, 0, "somebody else's superblock");
    const auto before = content();
    const auto mounted = FileSystem::mount_or_format(*transactions_, clock_, {}, false);
    ASSERT_FALSE(mounted);
    EXPECT_EQ(mounted.error().code, StorageError::unknown_format);
    EXPECT_THAT(mounted.error().message, testing::HasSubstr("not a Lockstep file system"));
    EXPECT_EQ(content(), before);
}

TEST_F(Format, ForeignDataBehindAnEmptyFirstBlockIsRefusedAndLeftUnchanged) {
    write(3, 4095, "x");
    const auto before = content();
    const auto mounted = FileSystem::mount_or_format(*transactions_, clock_, {}, false);
    ASSERT_FALSE(mounted);
    EXPECT_THAT(mounted.error().message, testing::HasSubstr("left unchanged"));
    EXPECT_EQ(content(), before);
}

TEST_F(Format, ADamagedSuperblockIsRefused) {
    ASSERT_TRUE(format(*transactions_, {}, 1));
    write(0, offsetof(Superblock, data_start), "\x7f");
    EXPECT_EQ(FileSystem::mount(*transactions_, clock_, false).error().code, StorageError::corrupt);
}

TEST_F(Format, ALaterVersionAndAnUnknownFeatureAreRefusedByName) {
    ASSERT_TRUE(format(*transactions_, {}, 1));
    write(0, offsetof(Superblock, version), "\x02");
    const auto later = FileSystem::mount(*transactions_, clock_, false);
    ASSERT_FALSE(later);
    EXPECT_THAT(later.error().message, testing::HasSubstr("version 2"));
    write(0, offsetof(Superblock, version), "\x01");
    write(0, offsetof(Superblock, features), "\x04");
    const auto feature = FileSystem::mount(*transactions_, clock_, false);
    ASSERT_FALSE(feature);
    EXPECT_THAT(feature.error().message, testing::HasSubstr("features 0x4"));
}

// As images were made before there was the feature.
TEST(FormatWithoutMapChecksums, IsServedAndStaysAsItIs) {
    TestFileSystem fs;
    Superblock superblock = fs->superblock();
    EXPECT_NE(superblock.features & feature_map_checksums, 0u);
    superblock.features &= ~feature_map_checksums;
    superblock.checksum = checksum_of(superblock);
    write(fs.stack().transactions(), 0, 0, {reinterpret_cast<const char*>(&superblock), sizeof superblock});
    fs.remount();
    const std::string large(300'000, 'z');
    const auto file = fs.must([&](Operation& op) -> Outcome<std::uint64_t> {
        LOCKSTEP_TRY(Inode * root, op.lock_inode(root_inode, txn::LockMode::exclusive));
        LOCKSTEP_TRY(Inode * made, op.create_inode(FileType::regular));
        LOCKSTEP_TRY(insert_entry(op, *root, "file", made->number()));
        made->change().nlink = 1;
        LOCKSTEP_TRY(write_bytes(op, *made, 0, std::as_bytes(std::span(large))));
        return made->number();
    });
    fs.remount();
    EXPECT_EQ(fs->superblock().features & feature_map_checksums, 0u);
    fs.expect_sound();
    std::string read(large.size(), ' ');
    fs.must([&](Operation& op) -> Outcome<void> {
        LOCKSTEP_TRY(Inode * inode, op.lock_inode(file, txn::LockMode::shared));
        EXPECT_EQ((*inode)->height, 1);
        LOCKSTEP_TRY(read_bytes(op, *inode, 0, std::as_writable_bytes(std::span(read))));
        return {};
    });
    EXPECT_TRUE(read == large);
}

TEST_F(Format, TwoFileSystemsHaveDifferentIdentitiesAndKeys) {
    ASSERT_TRUE(format(*transactions_, {}, 1));
    const Superblock first = *read_superblock(*transactions_);
    test::TestFileSystem other({.format = {}});
    const Superblock& second = other->volume().superblock;
    EXPECT_NE(first.file_system_id, second.file_system_id);
    EXPECT_NE(first.handle_key, second.handle_key);
    EXPECT_NE(first.name_key, second.name_key);
}

TEST(FormatSize, ADiskThatIsTooSmallIsRefused) {
    disk::ImageDisk disk(64);
    ASSERT_TRUE(journal::Journal::format(disk, {.log_blocks = 40}));
    auto journal = journal::Journal::open(disk, {.background = false});
    ASSERT_TRUE(journal);
    txn::TransactionManager transactions(**journal);
    EXPECT_EQ(format(transactions, {}, 1).error().code, StorageError::no_space);
}

// Counts what is read.
class CountingDisk final : public disk::Disk {
 public:
    explicit CountingDisk(disk::Disk& inner) : inner_(inner) {}
    Result<void, StorageError> read(std::uint64_t first, std::span<std::byte* const> blocks) override {
        blocks_read += blocks.size();
        return inner_.read(first, blocks);
    }
    Result<void, StorageError> write(std::uint64_t first, std::span<const std::byte* const> blocks) override {
        return inner_.write(first, blocks);
    }
    Result<void, StorageError> barrier() override { return inner_.barrier(); }
    std::uint64_t size_blocks() const override { return inner_.size_blocks(); }
    Result<std::uint64_t, StorageError> next_data(std::uint64_t from) override { return inner_.next_data(from); }

    std::atomic<std::uint64_t> blocks_read{0};

 private:
    disk::Disk& inner_;
};

TEST(FormatSize, OfASparseDiskOfATebibyteLittleIsRead) {
    std::string directory = testing::TempDir() + "format_test.XXXXXX";
    ASSERT_NE(mkdtemp(directory.data()), nullptr);
    {
        auto file = disk::FileDisk::open(directory + "/image", std::uint64_t{1} << 40);
        ASSERT_TRUE(file) << file.error().message;
        CountingDisk counting(**file);
        ASSERT_TRUE(journal::Journal::format(counting, {.log_blocks = 1024}));
        auto journal = journal::Journal::open(counting, {.background = false});
        ASSERT_TRUE(journal);
        txn::TransactionManager transactions(**journal);
        // A byte in the middle of what would be the inode table is seen, wherever it is: here, in the cache.
        write(transactions, 5'000'000, 17, "x");
        EXPECT_EQ(format(transactions, {}, 1).error().code, StorageError::unknown_format);
        write(transactions, 5'000'000, 17, std::string_view("\0", 1));
        counting.blocks_read = 0;
        ASSERT_TRUE(format(transactions, {}, 1));
        EXPECT_LT(counting.blocks_read, 10u);
        const ManualClock clock;
        EXPECT_TRUE(FileSystem::mount(transactions, clock, false));
        EXPECT_LT(counting.blocks_read, 20'000u);  // the bitmaps
    }
    std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace lockstep::server::fs
