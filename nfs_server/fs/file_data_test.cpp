#include "nfs_server/fs/file_data.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "nfs_server/base/worker_number.hpp"
#include "nfs_server/fs/block_map.hpp"
#include "nfs_server/fs/reaper.hpp"
#include "nfs_server/fs/test_file_system.hpp"

namespace lockstep::server::fs {
namespace {

using test::TestFileSystem;
using txn::LockMode;

// One file with an inode of its own and no name: enough for its data. (The checker would miss its name.)
class FileData : public testing::Test {
 protected:
    std::uint64_t make() {
        return fs_.must([&](Operation& op) -> Outcome<std::uint64_t> {
            LOCKSTEP_TRY(Inode * inode, op.create_inode(FileType::regular));
            inode->change().nlink = 1;
            return inode->number();
        });
    }
    void write(std::uint64_t number, std::uint64_t offset, std::string_view bytes) {
        fs_.must([&](Operation& op) -> Outcome<void> {
            LOCKSTEP_TRY(Inode * inode, op.lock_inode(number, LockMode::exclusive));
            return write_bytes(op, *inode, offset, std::as_bytes(std::span(bytes)));
        });
    }
    void resize(std::uint64_t number, std::uint64_t size) {
        fs_.must([&](Operation& op) -> Outcome<void> {
            LOCKSTEP_TRY(Inode * inode, op.lock_inode(number, LockMode::exclusive));
            return set_size(op, *inode, size);
        });
    }
    std::string read(std::uint64_t number, std::uint64_t offset, std::size_t count) {
        return fs_.must([&](Operation& op) -> Outcome<std::string> {
            std::string bytes(count, '?');
            LOCKSTEP_TRY(Inode * inode, op.lock_inode(number, LockMode::shared));
            LOCKSTEP_TRY(const std::uint64_t length,
                         read_bytes(op, *inode, offset, std::as_writable_bytes(std::span(bytes))));
            bytes.resize(length);
            return bytes;
        });
    }
    InodeRecord record(std::uint64_t number) {
        return fs_.must([&](Operation& op) -> Outcome<InodeRecord> {
            LOCKSTEP_TRY(Inode * inode, op.lock_inode(number, LockMode::shared));
            return **inode;
        });
    }
    TestFileSystem fs_;
};

TEST_F(FileData, SmallFilesLiveInTheirInode) {
    const auto file = make();
    write(file, 0, "hello");
    write(file, 127, "x");
    EXPECT_EQ(record(file).blocks, 0u);
    EXPECT_EQ(read(file, 0, 200), "hello" + std::string(122, '\0') + "x");
}

// Where its blocks are, of a file without holes, as runs of neighbours.
std::size_t runs_of(TestFileSystem& fs, std::uint64_t number) {
    return fs.must([&](Operation& op) -> Outcome<std::size_t> {
        LOCKSTEP_TRY(Inode * inode, op.lock_inode(number, LockMode::shared));
        std::vector<std::uint64_t> blocks((*inode)->size / block_bytes);
        LOCKSTEP_TRY(find_blocks(op, *inode, 0, blocks));
        std::size_t runs = 1;
        for (std::size_t i = 1; i < blocks.size(); ++i) runs += blocks[i] != blocks[i - 1] + 1 ? 1 : 0;
        return runs;
    });
}

TEST_F(FileData, AFileThatManyThreadsWriteLiesInOnePlace) {
    constexpr std::uint64_t piece_bytes = 16 * block_bytes;
    constexpr std::uint64_t pieces = 64;  // 4 MiB: two map blocks lie among them, and the first move of the pointers
    const auto file = make();
    std::barrier all_have_a_number(4);
    std::vector<std::jthread> threads;
    std::atomic<std::uint64_t> next{0};
    for (std::uint64_t thread = 0; thread < 4; ++thread)
        threads.emplace_back([&, thread] {
            (void)worker_number();  // each would allocate in a place of its own
            all_have_a_number.arrive_and_wait();
            for (std::uint64_t piece = thread; piece < pieces; piece += 4) {
                while (next != piece) std::this_thread::yield();
                write(file, piece * piece_bytes, std::string(piece_bytes, 'x'));
                ++next;
            }
        });
    threads.clear();
    EXPECT_LE(runs_of(fs_, file), 4u);
}

TEST_F(FileData, FilesThatGrowSideBySideAllocateInDifferentWords) {
    constexpr std::uint64_t piece_bytes = 16 * block_bytes;
    const std::array files{make(), make(), make()};
    for (std::uint64_t piece = 0; piece < 32; ++piece)
        for (const auto file : files) write(file, piece * piece_bytes, std::string(piece_bytes, 'x'));
    // Of 64 blocks each, but for where they began and where a map block lies.
    for (const auto file : files) EXPECT_LE(runs_of(fs_, file), 32u / 4 + 3);
}

TEST_F(FileData, SmallFilesThatGrowShareWords) {
    constexpr std::uint64_t count = 100;
    std::vector<std::uint64_t> files;
    for (std::uint64_t i = 0; i < count; ++i) files.push_back(make());
    for (std::uint64_t block = 0; block < 3; ++block)
        for (const auto file : files) write(file, block * block_bytes, std::string(block_bytes, 'x'));
    const auto highest = fs_.must([&](Operation& op) -> Outcome<std::uint64_t> {
        std::uint64_t found = 0;
        for (const auto file : files) {
            LOCKSTEP_TRY(Inode * inode, op.lock_inode(file, LockMode::shared));
            std::array<std::uint64_t, 3> blocks{};
            LOCKSTEP_TRY(find_blocks(op, *inode, 0, blocks));
            found = std::max(found, *std::ranges::max_element(blocks) - op.volume().superblock.data_start);
        }
        return found;
    });
    EXPECT_LT(highest, 2 * 3 * count);
}

TEST_F(FileData, GrowingOutOfTheInodeKeepsTheBytes) {
    const auto file = make();
    write(file, 0, "hello");
    write(file, 126, "xyz");
    EXPECT_EQ(record(file).blocks, 1u);
    EXPECT_EQ(read(file, 0, 200), "hello" + std::string(121, '\0') + "xyz");
}

TEST_F(FileData, CuttingToNothingReturnsToTheInode) {
    const auto file = make();
    write(file, 0, std::string(10'000, 'a'));
    const auto used = fs_->usage().free_bytes;
    resize(file, 0);
    EXPECT_EQ(record(file).blocks, 0u);
    EXPECT_EQ(fs_->usage().free_bytes, used + 3 * block_bytes);
    write(file, 0, "tiny");
    EXPECT_EQ(record(file).blocks, 0u);
    EXPECT_EQ(read(file, 0, 10), "tiny");
}

TEST_F(FileData, BytesThatWereCutOffNeverComeBack) {
    const auto file = make();
    for (const std::uint64_t cut : {50ul, 5'000ul, 4'096ul, 70'001ul}) {
        write(file, 0, std::string(100'000, 'a'));
        resize(file, cut);
        resize(file, 100'000);
        EXPECT_EQ(read(file, 0, 100'000), std::string(cut, 'a') + std::string(100'000 - cut, '\0')) << cut;
        resize(file, 0);
    }
}

TEST_F(FileData, ReadingPastTheEndGivesNothing) {
    const auto file = make();
    write(file, 0, "abc");
    EXPECT_EQ(read(file, 3, 10), "");
    EXPECT_EQ(read(file, ~0ul, 10), "");
    EXPECT_EQ(read(file, 1, 10), "bc");
}

TEST_F(FileData, ASparseFileNearTwoToTheFortyEightTakesAHandfulOfBlocks) {
    const auto file = make();
    const std::uint64_t offset = (std::uint64_t{1} << 48) - 3;
    write(file, offset, "abcdef");
    EXPECT_EQ(record(file).size, offset + 6);
    EXPECT_EQ(read(file, offset - 4, 100), std::string(4, '\0') + "abcdef");
    EXPECT_LE(record(file).blocks, 12u);
    write(file, 0, "start");
    EXPECT_EQ(read(file, 0, 7), std::string("start\0\0", 7));
    EXPECT_EQ(read(file, offset, 3), "abc");
    resize(file, 5);
    EXPECT_EQ(read(file, 0, 9), "start");
    resize(file, 0);
    EXPECT_EQ(record(file).blocks, 0u);
}

TEST_F(FileData, TheLastByteThatTheFormatKnowsCanBeWrittenAndNoneBeyond) {
    const auto file = make();
    write(file, max_file_bytes - 1, "z");
    EXPECT_EQ(read(file, max_file_bytes - 1, 2), "z");
    const auto code = fs_.error_of([&](Operation& op) -> Outcome<void> {
        LOCKSTEP_TRY(Inode * inode, op.lock_inode(file, LockMode::exclusive));
        return write_bytes(op, *inode, max_file_bytes - 1, std::as_bytes(std::span("ab", 2)));
    });
    EXPECT_EQ(code, Error::file_too_big);
}

TEST_F(FileData, AFailedWriteLeavesNoBlockBehind) {
    const auto file = make();
    const auto before = fs_->usage().free_bytes;
    const std::string bytes(50'000, 'x');
    const auto code = fs_.error_of([&](Operation& op) -> Outcome<void> {
        LOCKSTEP_TRY(Inode * inode, op.lock_inode(file, LockMode::exclusive));
        LOCKSTEP_TRY(write_bytes(op, *inode, 0, std::as_bytes(std::span(bytes))));
        return fail(Error(Error::invalid));
    });
    EXPECT_EQ(code, Error::invalid);
    EXPECT_EQ(fs_->usage().free_bytes, before);
    EXPECT_EQ(record(file).size, 0u);
}

TEST_F(FileData, AFullDiskRefusesAndRemovalMakesRoomAgain) {
    const auto file = make();
    const std::string chunk(256 * 1024, 'x');
    std::uint64_t offset = 0;
    auto write_chunk = [&](Operation& op) -> Outcome<void> {
        LOCKSTEP_TRY(Inode * inode, op.lock_inode(file, LockMode::exclusive));
        return write_bytes(op, *inode, offset, std::as_bytes(std::span(chunk)));
    };
    for (;;) {
        auto finished = fs_->run(0, write_chunk);
        ASSERT_TRUE(fs_.stack().journal().checkpoint());
        if (!finished.result) {
            EXPECT_EQ(finished.result.error(), Error::no_space);
            break;
        }
        offset += chunk.size();
    }
    EXPECT_GT(offset, 40u << 20);
    resize(file, 0);
    ASSERT_TRUE(fs_->reap());
    offset = 0;
    EXPECT_TRUE(fs_->run(0, write_chunk).result);
}

TEST_F(FileData, AnOperationThatFailsFreesNothing) {
    const auto file = make();
    const std::string old(20 * block_bytes, 'o');
    write(file, 0, old);
    const auto free_before = fs_->usage().free_bytes;
    const auto cut_and_fail = [&](Operation& op) -> Outcome<void> {
        LOCKSTEP_TRY(Inode * inode, op.lock_inode(file, LockMode::exclusive));
        LOCKSTEP_TRY(set_size(op, *inode, 0));
        return fail(Error(Error::io));
    };
    EXPECT_EQ(fs_.error_of(cut_and_fail), Error::io);
    EXPECT_EQ(fs_->usage().free_bytes, free_before);
    const auto other = make();
    write(other, 0, std::string(40 * block_bytes, 'n'));
    EXPECT_EQ(read(file, 0, old.size()), old);
}

TEST_F(FileData, ABlockThatTheBitmapSaysIsInUseIsNotTakenButDamage) {
    const auto file = make();
    const std::uint64_t every_bit = ~std::uint64_t{0};
    const auto use_all = [&](txn::Transaction& txn) -> Result<void, StorageError> {
        const Superblock& superblock = fs_->superblock();
        for (std::uint64_t bit = 0; bit + bits_per_word <= superblock.total_blocks - superblock.data_start;
             bit += bits_per_word) {
            const auto guard = Volume::word_lock(Bitmap::blocks, bit);
            LOCKSTEP_TRY(txn.lock(guard, LockMode::exclusive));
            LOCKSTEP_TRY(txn.write(guard, superblock.block_bitmap_start, static_cast<std::uint32_t>(bit / 8),
                                   std::as_bytes(std::span(&every_bit, 1))));
        }
        return {};
    };
    ASSERT_TRUE(fs_.stack().transactions().run(0, use_all)->result);
    const std::string data(200, 'x');
    const auto write_block = [&](Operation& op) -> Outcome<void> {
        LOCKSTEP_TRY(Inode * inode, op.lock_inode(file, LockMode::exclusive));
        return write_bytes(op, *inode, 0, std::as_bytes(std::span(data)));
    };
    EXPECT_EQ(fs_.error_of(write_block), Error::corrupt);
    EXPECT_TRUE(fs_->is_damaged());
}

// The newest removal of each block counts: here of the second of two, in the next word of the bitmap.
TEST_F(FileData, NewBlocksGoStraightHomeOnlyWhenTheRemovalOfAllOfThemIsSettled) {
    for (const std::uint64_t placed : {0, 2}) {
        const auto file = make();
        const auto placed_before = fs_.stack().journal().counters().blocks_placed;
        if (placed != 0) {
            ASSERT_TRUE(fs_.stack().journal().settle());
        }
        fs_.must([&, freed = fs_->last_sequence().value](Operation& op) -> Outcome<void> {
            BitAllocator& bits = fs_->volume().free_blocks;
            const std::uint64_t data_start = fs_->superblock().data_start;
            LOCKSTEP_TRY(Inode * inode, op.lock_inode(file, LockMode::exclusive));
            LOCKSTEP_TRY(std::uint64_t last, op.allocate_block(*inode));
            const std::uint64_t next_word = ((last - data_start) / bits_per_word + 1) * bits_per_word;
            bits.give_back(*bits.take(next_word + 5), freed);
            while (last - data_start < next_word) {
                LOCKSTEP_TRY(last, op.allocate_block(*inode));
            }
            std::vector<BlockBuffer> contents(2, BlockBuffer::zeroed());
            return op.write_new_blocks(*inode, last - 1, contents);
        });
        ASSERT_TRUE(fs_->wait_durable(fs_->last_sequence(), 0));
        EXPECT_EQ(fs_.stack().journal().counters().blocks_placed - placed_before, placed);
    }
}

// Compares with a plain string, over every kind of boundary: inode, block, map block.
TEST_F(FileData, BehavesLikeAStringUnderRandomWritesAndCuts) {
    const unsigned seed = 7;
    std::mt19937_64 random(seed);
    const auto file = make();
    std::string model;
    for (int step = 0; step < 600; ++step) {
        const std::uint64_t limit = step % 3 == 0 ? 300 : step % 3 == 1 ? 20'000 : 300'000;
        const std::uint64_t at = random() % limit;
        if (random() % 4 != 0) {
            const std::string bytes(1 + random() % (limit / 4), static_cast<char>('a' + random() % 26));
            write(file, at, bytes);
            if (model.size() < at + bytes.size()) model.resize(at + bytes.size(), '\0');
            model.replace(at, bytes.size(), bytes);
        } else {
            resize(file, at);
            model.resize(at, '\0');
        }
        if (step % 50 == 0) {
            ASSERT_NO_FATAL_FAILURE(fs_.remount());
        }
        ASSERT_EQ(record(file).size, model.size()) << "seed " << seed << " step " << step;
        ASSERT_EQ(read(file, 0, 400'000), model) << "seed " << seed << " step " << step;
    }
}

// --- Truncation in pieces --------------------------------------------------------------------------------------------

class Reaping : public FileData {
 protected:
    static constexpr std::uint64_t large_blocks = 3 * unmap_budget_blocks;

    std::uint64_t make_large() {
        const auto file = make();
        const std::string chunk(256 * 1024, 'x');
        for (std::uint64_t offset = 0; offset < large_blocks * block_bytes; offset += chunk.size())
            write(file, offset, chunk);
        return file;
    }
};

TEST_F(Reaping, ALargeFileIsCutOffAtOnceAndItsBlocksAreFreedInPieces) {
    const auto free_before = fs_->usage().free_bytes;
    const auto file = make_large();
    resize(file, 10);
    EXPECT_EQ(record(file).size, 10u);
    EXPECT_TRUE(record(file).flags & inode_flag_shrinking);
    EXPECT_LT(fs_->usage().free_bytes, free_before - block_bytes);
    ASSERT_TRUE(fs_->reap());
    EXPECT_FALSE(record(file).flags & inode_flag_shrinking);
    // What is left: the first block, and the map blocks above it, if the map has not been lowered.
    EXPECT_LE(record(file).blocks, 2u);
}

TEST_F(Reaping, AFileThatGrowsAgainWaitsForItsOldTailToBeFreed) {
    const auto file = make_large();
    resize(file, 10);
    resize(file, large_blocks * block_bytes);
    EXPECT_EQ(read(file, 5 * block_bytes, 10), std::string(10, '\0'));
    EXPECT_EQ(read(file, (large_blocks - 1) * block_bytes, 10), std::string(10, '\0'));
    EXPECT_LE(record(file).blocks, 2u);
}

// The tail is freed from its end: these blocks of it are still mapped.
TEST_F(Reaping, AWriteBehindTheEndFindsNothingOfTheOldTail) {
    const auto file = make_large();
    resize(file, 10);
    write(file, 100 * block_bytes + 7, "new");
    EXPECT_EQ(read(file, 100 * block_bytes, block_bytes), std::string(7, '\0') + "new");
    EXPECT_EQ(read(file, 99 * block_bytes, 10), std::string(10, '\0'));
}

TEST_F(Reaping, TheWorkGoesOnAfterACrash) {
    const auto file = make_large();
    resize(file, 0);
    ASSERT_TRUE(fs_->wait_durable(fs_->last_sequence(), 0));
    fs_.crash();
    EXPECT_TRUE(record(file).flags & inode_flag_shrinking);
    ASSERT_TRUE(fs_->reap());
    EXPECT_EQ(record(file).blocks, 0u);
    EXPECT_FALSE(record(file).flags & inode_flag_shrinking);
}

TEST_F(Reaping, ARemovedInodeIsFreeOnlyWhenItsBlocksAre) {
    const auto free_before = fs_->usage();
    const auto file = make_large();
    const FileIdentity identity{file, record(file).generation};
    fs_.must([&](Operation& op) -> Outcome<void> {
        LOCKSTEP_TRY(Inode * inode, op.lock_inode(file, LockMode::exclusive));
        return drop_link(op, *inode);
    });
    EXPECT_EQ(fs_->usage().free_files, free_before.free_files - 1);
    EXPECT_EQ(fs_.error_of([&](Operation& op) { return op.lock_file(identity, LockMode::shared); }), Error::stale);
    ASSERT_TRUE(fs_->reap());
    EXPECT_EQ(fs_->usage().free_files, free_before.free_files);
    EXPECT_EQ(fs_->usage().free_bytes, free_before.free_bytes);
    EXPECT_EQ(fs_.error_of([&](Operation& op) { return op.lock_file(identity, LockMode::shared); }), Error::stale);
    fs_.expect_sound();
}

TEST_F(Reaping, ARemovedLargeFileMakesRoomForAWriterThatFindsTheDiskFull) {
    const auto file = make_large();
    const auto filler = make();
    const std::string chunk(256 * 1024, 'x');
    for (std::uint64_t offset = 0; fs_->usage().free_bytes > 2 * chunk.size(); offset += chunk.size())
        write(filler, offset, chunk);
    resize(file, 0);
    const auto last = make();
    const std::uint64_t wanted = unmap_budget_blocks * block_bytes + 4 * chunk.size();
    for (std::uint64_t offset = 0; offset < wanted; offset += chunk.size()) write(last, offset, chunk);
    EXPECT_EQ(record(last).size, wanted);
}

}  // namespace
}  // namespace lockstep::server::fs
