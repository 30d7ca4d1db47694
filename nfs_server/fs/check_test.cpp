// The checker must notice: each test breaks one invariant of a sound file system.
#include "nfs_server/fs/check.hpp"

#include <gmock/gmock.h>

#include <array>
#include <cstring>

#include "nfs_server/fs/directory.hpp"
#include "nfs_server/fs/file_data.hpp"
#include "nfs_server/fs/test_file_system.hpp"

namespace lockstep::server::fs {
namespace {

using test::TestFileSystem;
using testing::Contains;
using testing::HasSubstr;
using txn::LockMode;

class Check : public testing::Test {
 protected:
    Check() {
        fs_.must([&](Operation& op) -> Outcome<void> {
            LOCKSTEP_TRY(Inode * root, op.lock_inode(root_inode, LockMode::exclusive));
            LOCKSTEP_TRY(Inode * file, op.create_inode(FileType::regular));
            LOCKSTEP_TRY(Inode * directory, op.create_inode(FileType::directory));
            LOCKSTEP_TRY(insert_entry(op, *root, "file", file->number()));
            LOCKSTEP_TRY(insert_entry(op, *root, "directory", directory->number()));
            LOCKSTEP_TRY(write_bytes(op, *file, 0, std::as_bytes(std::span(data_))));
            file->change().nlink = 1;
            directory->change().nlink = 2;
            directory->change().parent = root_inode;
            root->change().nlink = 3;
            file_ = file->number();
            directory_ = directory->number();
            return {};
        });
        fs_.expect_sound();
    }
    // Changes an inode as the file system never would.
    template <class Change>
    void damage(std::uint64_t number, Change change) {
        fs_.must([&](Operation& op) -> Outcome<void> {
            LOCKSTEP_TRY(Inode * inode, op.lock_any(number, LockMode::exclusive));
            change(*inode);
            return {};
        });
    }
    // Inverts a byte of a block, past all checksums.
    void damage_byte(std::uint64_t block, std::uint32_t offset) {
        auto done = fs_.stack().transactions().run(0, [&](txn::Transaction& txn) -> Result<void, StorageError> {
            const auto guard = txn::LockAddress::inode(root_inode);
            std::byte value{};
            LOCKSTEP_TRY(txn.lock(guard, LockMode::exclusive));
            LOCKSTEP_TRY(txn.read(block, offset, std::span(&value, 1)));
            value = ~value;
            return txn.write(guard, block, offset, std::span(&value, 1));
        });
        ASSERT_TRUE(done && done->result);
    }
    std::vector<std::string> problems() { return check_file_system(fs_.stack().transactions()).problems; }
    std::uint64_t first_block(std::uint64_t number) {
        return fs_.must([&](Operation& op) -> Outcome<std::uint64_t> {
            LOCKSTEP_TRY(Inode * inode, op.lock_any(number, LockMode::shared));
            return inode->slot(0);
        });
    }

    TestFileSystem fs_;
    const std::string data_ = std::string(10'000, 'x');
    std::uint64_t file_ = 0, directory_ = 0;
};

TEST_F(Check, ACountOfLinksThatIsWrong) {
    damage(file_, [](Inode& inode) { inode.change().nlink = 2; });
    EXPECT_THAT(problems(), Contains(HasSubstr("has 1 names and counts 2")));
}

TEST_F(Check, ACountOfSubdirectoriesThatIsWrong) {
    damage(root_inode, [](Inode& inode) { inode.change().nlink = 2; });
    EXPECT_THAT(problems(), Contains(HasSubstr("has 1 subdirectories and counts 2 links")));
}

TEST_F(Check, AParentThatIsWrong) {
    damage(directory_, [&](Inode& inode) { inode.change().parent = directory_; });
    EXPECT_THAT(problems(), Contains(HasSubstr("says that its parent is")));
    EXPECT_THAT(problems(), Contains(HasSubstr("is not reached from the root")));
}

TEST_F(Check, ANameThatLeadsToAFreeInode) {
    damage(file_, [](Inode& inode) { inode.change() = InodeRecord{}; });
    EXPECT_THAT(problems(), Contains(HasSubstr("which is free")));
    EXPECT_THAT(problems(), Contains(HasSubstr("is free, the bitmap says otherwise")));
    EXPECT_THAT(problems(), Contains(AllOf(HasSubstr("block "), HasSubstr("is free, the bitmap says otherwise"))));
}

TEST_F(Check, AnInodeWithoutAName) {
    fs_.must([&](Operation& op) -> Outcome<void> {
        LOCKSTEP_TRY(Inode * file, op.create_inode(FileType::regular));
        file->change().nlink = 1;
        return {};
    });
    EXPECT_THAT(problems(), Contains(HasSubstr("has no name and is no orphan")));
}

TEST_F(Check, AShrinkingInodeThatIsNotMarked) {
    damage(file_, [](Inode& inode) { inode.change().flags |= inode_flag_shrinking; });
    EXPECT_THAT(problems(), Contains(HasSubstr("is shrinking, the orphan bitmap says otherwise")));
}

TEST_F(Check, ABlockWithTwoOwners) {
    damage(file_, [](Inode& inode) { inode.set_slot(1, inode.slot(0)); });
    EXPECT_THAT(problems(), Contains(HasSubstr("has another owner")));
    EXPECT_THAT(problems(), Contains(HasSubstr("owns 2 blocks and counts 3")));
}

TEST_F(Check, APointerOutOfTheDisk) {
    damage(file_, [](Inode& inode) { inode.set_slot(1, 1); });
    EXPECT_THAT(problems(), Contains(HasSubstr("points to block 1, which is not a data block")));
}

TEST_F(Check, BlocksPastTheEnd) {
    damage(file_, [](Inode& inode) { inode.change().size = 4096; });
    EXPECT_THAT(problems(), Contains(HasSubstr("of 4096 bytes has its block 2 mapped")));
}

TEST_F(Check, BytesPastTheEnd) {
    damage(file_, [](Inode& inode) { inode.change().size = 9'999; });
    EXPECT_THAT(problems(), Contains(HasSubstr("bytes past its end that are not zero")));
}

TEST_F(Check, ACountOfEntriesThatIsWrong) {
    damage(root_inode, [](Inode& inode) { inode.change().entries = 7; });
    EXPECT_THAT(problems(), Contains(HasSubstr("has 2 entries and counts 7")));
}

TEST_F(Check, ADamagedInode) {
    const Volume& volume = fs_->volume();
    damage_byte(volume.inode_block(file_), Volume::inode_offset(file_) + 9);
    EXPECT_THAT(problems(), Contains(HasSubstr("contradicts its checksum")));
    EXPECT_EQ(fs_.error_of([&](Operation& op) { return op.lock_inode(file_, LockMode::shared); }), Error::corrupt);
}

TEST_F(Check, ADamagedDirectoryNode) {
    const auto look_up = [&](Operation& op) -> Outcome<bool> {
        LOCKSTEP_TRY(Inode * root, op.lock_inode(root_inode, LockMode::shared));
        LOCKSTEP_TRY(const auto found, find_entry(op, *root, "file"));
        return found.has_value();
    };
    // That it was found sound before counts for nothing.
    EXPECT_TRUE(fs_.must(look_up));
    damage_byte(first_block(root_inode), 4'000);
    EXPECT_THAT(problems(), Contains(HasSubstr("is not a sound node of directory 2")));
    EXPECT_EQ(fs_.error_of(look_up), Error::corrupt);
    EXPECT_EQ(fs_.error_of(look_up), Error::corrupt);
}

// A block may belong to two directories on a damaged disk: what is sound for one of them is not for the other.
TEST_F(Check, ANodeOfAnotherDirectoryThatWasFoundSound) {
    const auto look_up_in = [&](std::uint64_t number) {
        return [number](Operation& op) -> Outcome<bool> {
            LOCKSTEP_TRY(Inode * directory, op.lock_inode(number, LockMode::shared));
            LOCKSTEP_TRY(const auto found, find_entry(op, *directory, "file"));
            return found.has_value();
        };
    };
    EXPECT_TRUE(fs_.must(look_up_in(root_inode)));
    damage(directory_, [block = first_block(root_inode)](Inode& directory) { directory.set_slot(0, block); });
    EXPECT_EQ(fs_.error_of(look_up_in(directory_)), Error::corrupt);
    EXPECT_TRUE(fs_.must(look_up_in(root_inode)));
}

// A file that is large enough for a block of pointers.
class CheckMap : public Check {
 protected:
    CheckMap() {
        fs_.must([&](Operation& op) -> Outcome<void> {
            LOCKSTEP_TRY(Inode * file, op.lock_inode(file_, LockMode::exclusive));
            return write_bytes(op, *file, 0, std::as_bytes(std::span(large_)));
        });
        fs_.expect_sound();
    }
    Error read_error(std::uint64_t number) {
        return fs_.error_of([&](Operation& op) -> Outcome<void> {
            std::vector<std::byte> out(large_.size());
            LOCKSTEP_TRY(Inode * file, op.lock_inode(number, LockMode::shared));
            LOCKSTEP_TRY(read_bytes(op, *file, 0, out));
            return {};
        });
    }
    void expect_noticed() {
        EXPECT_THAT(problems(), Contains(HasSubstr("is not a sound block of pointers of inode")));
        EXPECT_EQ(read_error(file_), Error::corrupt);
        EXPECT_EQ(fs_.error_of([&](Operation& op) -> Outcome<void> {
            LOCKSTEP_TRY(Inode * file, op.lock_inode(file_, LockMode::exclusive));
            return write_bytes(op, *file, 0, std::as_bytes(std::span(large_)));
        }),
                  Error::corrupt);
    }

    const std::string large_ = std::string(200'000, 'y');
};

TEST_F(CheckMap, ADamagedBlockOfPointers) {
    damage_byte(first_block(file_), 100 * 8);
    expect_noticed();
}

TEST_F(CheckMap, APointerThatWasMadeAHole) {
    const std::uint64_t map = first_block(file_);
    auto done = fs_.stack().transactions().run(0, [&](txn::Transaction& txn) -> Result<void, StorageError> {
        const auto guard = txn::LockAddress::inode(root_inode);
        constexpr std::array<std::byte, 8> hole{};
        LOCKSTEP_TRY(txn.lock(guard, LockMode::exclusive));
        return txn.write(guard, map, 20 * 8, hole);
    });
    ASSERT_TRUE(done && done->result);
    expect_noticed();
}

TEST_F(CheckMap, TheMapOfAnotherFile) {
    damage(directory_, [](Inode& inode) { inode.change().type = FileType::regular; });
    damage(directory_, [block = first_block(file_)](Inode& inode) {
        inode.change().height = 1;
        inode.change().size = 200'000;
        inode.set_slot(0, block);
    });
    EXPECT_EQ(read_error(directory_), Error::corrupt);
    EXPECT_THAT(problems(), Contains(HasSubstr("has another owner, too")));
}

TEST_F(Check, ABitThatNobodyOwns) {
    damage_byte(fs_->volume().superblock.block_bitmap_start, 100);
    EXPECT_EQ(problems().size(), 8u);
    EXPECT_THAT(problems(), Contains(HasSubstr("is free, the bitmap says otherwise")));
}

TEST_F(Check, ADamagedSuperblock) {
    damage_byte(0, offsetof(Superblock, created_ns));
    EXPECT_THAT(problems(), Contains(HasSubstr("superblock contradicts its checksum")));
}

TEST_F(Check, TheListOfProblemsIsBounded) {
    for (std::uint32_t byte = 100; byte < 120; ++byte) damage_byte(fs_->volume().superblock.block_bitmap_start, byte);
    const CheckReport report = check_file_system(fs_.stack().transactions(), 10);
    EXPECT_EQ(report.problems.size(), 10u);
    EXPECT_TRUE(report.truncated);
}

}  // namespace
}  // namespace lockstep::server::fs
