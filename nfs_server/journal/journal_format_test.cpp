// What is on disk: formatting, opening, recovery, and damage.
#include <gtest/gtest.h>

#include <random>

#include "nfs_server/disk/memory_disk.hpp"
#include "nfs_server/disk/recording_disk.hpp"
#include "nfs_server/journal/journal.hpp"
#include "nfs_server/journal/journal_test_model.hpp"
#include "nfs_server/journal/journal_test_steps.hpp"

namespace lockstep::server::journal {
namespace {

using disk::DiskEvent;
using disk::ImageDisk;
using disk::MemoryDisk;
using disk::RecordingDisk;

TEST(JournalFormat, AnEmptyDiskIsBlankAndAFormattedOneOpens) {
    MemoryDisk disk(64);
    auto blank = Journal::open(disk, by_hand);
    ASSERT_FALSE(blank);
    EXPECT_EQ(StorageError::blank, blank.error().code);
    ASSERT_TRUE(Journal::format(disk, {.log_blocks = 16}));
    auto journal = opened(disk);
    EXPECT_EQ(64u - 2 - 16, journal->size_blocks());
    EXPECT_EQ(0u, journal->last_sequence().value);
    EXPECT_EQ(0u, journal->recovery().last_sequence);
}

TEST(JournalFormat, TheHashOfABlockIsThatOfItsContentAlsoWhenItIsRemembered) {
    BlockBuffer block = BlockBuffer::zeroed();
    const uint64_t of_zeros = hash_of(block);
    EXPECT_EQ(hash_of(block.span()), of_zeros);
    EXPECT_EQ(of_zeros, hash_of(block));
    block.mutable_data()[17] = std::byte{1};
    EXPECT_NE(of_zeros, hash_of(block));
    EXPECT_EQ(hash_of(block.span()), hash_of(block));
    EXPECT_EQ(hash_of(block.span()), hash_of(std::span<const BlockBuffer>(&block, 1), block_size_bytes));
}

TEST(JournalFormat, ADiskWithoutRoomIsRefused) {
    MemoryDisk disk(16);
    EXPECT_EQ(StorageError::no_space, Journal::format(disk, {.log_blocks = 14}).error().code);
    EXPECT_EQ(StorageError::bad_argument, Journal::format(disk, {.log_blocks = 7}).error().code);
    EXPECT_EQ(StorageError::no_space, Journal::format(disk).error().code);
    EXPECT_TRUE(Journal::format(disk, {.log_blocks = 13}));
}

// Opens a damaged image: the error, after making sure that nothing was written.
StorageError refused(const ImageDisk& image) {
    RecordingDisk disk(image);
    auto journal = Journal::open(disk, by_hand);
    if (journal) {
        ADD_FAILURE() << "it opened";
        return StorageError::bad_argument;
    }
    EXPECT_NE("", journal.error().message);
    for (const DiskEvent& event : disk.events()) EXPECT_NE(DiskEvent::Kind::write, event.kind);
    return journal.error().code;
}

TEST(JournalFormat, DamageIsRefusedAndNothingIsWritten) {
    const ImageDisk good = formatted(64, 16);
    ImageDisk image = good;
    flip_bit(image, 0, 60);
    EXPECT_EQ(StorageError::corrupt, refused(image));
    flip_bit(image, 1, 60);
    EXPECT_EQ(StorageError::corrupt, refused(image));

    ImageDisk smaller(40);
    for (uint64_t block = 0; block < 40; ++block) smaller.put(block, good.block(block));
    EXPECT_EQ(StorageError::corrupt, refused(smaller));
}

TEST(JournalFormat, ADiskOfSomebodyElseIsNotBlank) {
    ImageDisk image(64);
    image.put(16, BlockBuffer::copy_of(std::as_bytes(std::span("another file system's superblock"))));
    EXPECT_EQ(StorageError::corrupt, refused(image));
}

TEST(JournalFormat, ACrashWhileFormattingLeavesTheOldTheNewOrNothingThatOpens) {
    ImageDisk old = formatted(64, 16);
    {
        auto journal = opened(old);
        ASSERT_TRUE(put(*journal, 1, 11));
        ASSERT_TRUE(journal->wait_durable({1}, 1));
    }
    RecordingDisk recording(old);
    ASSERT_TRUE(Journal::format(recording, {.log_blocks = 24}));
    const disk::CrashStates crashes(recording);
    int opens_old = 0, opens_new = 0, does_not_open = 0;
    for (size_t point = 0; point <= crashes.last_point(); ++point)
        crashes.visit(point, {}, point, [&](ImageDisk& state) {
            auto journal = Journal::open(state, by_hand);
            if (!journal) {
                ++does_not_open;
            } else if ((*journal)->size_blocks() == 64 - 2 - 24) {
                ++opens_new;
                EXPECT_EQ(0u, (*journal)->last_sequence().value);
            } else {
                ++opens_old;
                EXPECT_EQ(11u, get(**journal, 1)) << "event " << point;
            }
        });
    EXPECT_GT(opens_old, 0);
    EXPECT_GT(opens_new, 0);
    EXPECT_GT(does_not_open, 0);
}

TEST(JournalFormat, AnotherVersionOrFeatureIsRefusedAndNothingIsWritten) {
    const ImageDisk good = formatted(64, 16);
    auto superblock = decode_superblock(good.block(0).span());
    ASSERT_TRUE(superblock);
    ImageDisk image = good;
    superblock->version = format_version + 1;
    image.put(1, encode(*superblock));
    EXPECT_EQ(StorageError::unknown_format, refused(image));
    image = good;
    superblock->version = format_version;
    superblock->features = 1;
    image.put(0, encode(*superblock));
    EXPECT_EQ(StorageError::unknown_format, refused(image));
}

TEST(JournalFormat, OneDamagedSuperblockIsNoLoss) {
    ImageDisk image = formatted(64, 16);
    {
        auto journal = opened(image);
        ASSERT_TRUE(put(*journal, 1, 11));
        ASSERT_TRUE(journal->checkpoint());
        ASSERT_TRUE(put(*journal, 2, 22));
        ASSERT_TRUE(journal->wait_durable({2}, 1));
    }
    for (const uint64_t damaged : {0, 1}) {
        ImageDisk state = image;
        flip_bit(state, damaged, 40);
        auto journal = opened(state);
        EXPECT_EQ(11u, get(*journal, 1));
        EXPECT_EQ(22u, get(*journal, 2));
    }
}

TEST(JournalFormat, AnOldSuperblockIsNotBelievedOnceItsLogIsOverwritten) {
    ImageDisk image = formatted(64, 8);
    uint64_t newest_slot = 0;
    {
        // After the second checkpoint the log goes on into the room before it.
        auto journal = opened(image);
        for (uint64_t i = 1; i <= 14; ++i) {
            ASSERT_TRUE(put(*journal, i, i));
            ASSERT_TRUE(journal->wait_durable({i}, 1));
            if (i == 4 || i == 8) {
                ASSERT_TRUE(journal->checkpoint());
                newest_slot = 1 - newest_slot;
            }
        }
    }
    flip_bit(image, newest_slot, 40);
    EXPECT_EQ(StorageError::corrupt, refused(image));
}

TEST(JournalRecovery, ReplaysWhatIsDurableAndFindsNothingTheSecondTime) {
    ImageDisk image = formatted(64, 16);
    {
        auto journal = opened(image);
        for (uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(put(*journal, i, 10 * i));
        ASSERT_TRUE(journal->wait_durable({3}, 1));
        ASSERT_TRUE(put(*journal, 4, 40));
    }
    {
        auto journal = opened(image);
        EXPECT_EQ(1u, journal->recovery().first_sequence);
        EXPECT_EQ(3u, journal->recovery().last_sequence);
        EXPECT_EQ(30u, get(*journal, 3));
        EXPECT_EQ(0u, get(*journal, 4)) << "nobody waited for it";
    }
    auto journal = opened(image);
    EXPECT_EQ(0u, journal->recovery().last_sequence);
    EXPECT_EQ(3u, journal->last_sequence().value) << "sequences go on";
    EXPECT_EQ(30u, get(*journal, 3));
}

TEST(JournalRecovery, ATornGroupIsDroppedWholeAndTheOnesBeforeItAreKept) {
    const ImageDisk empty = formatted(64, 16);
    // Groups lie in log blocks 2 | 3 … 5 (one of head, two of data).
    auto with_two_groups = [&] {
        ImageDisk image = empty;
        auto journal = opened(image);
        EXPECT_TRUE(put(*journal, 1, 11));
        EXPECT_TRUE(journal->wait_durable({1}, 1));
        EXPECT_TRUE(put_blocks(*journal, 2, 2, 'x'));
        EXPECT_TRUE(journal->wait_durable({2}, 1));
        return image;
    };
    for (const auto& [block, byte] : {std::pair{3, 0}, {3, 80}, {4, 4095}, {5, 1}}) {
        ImageDisk image = with_two_groups();
        flip_bit(image, static_cast<uint64_t>(block), static_cast<uint32_t>(byte));
        auto journal = opened(image);
        EXPECT_EQ(1u, journal->recovery().last_sequence) << "bit flipped in block " << block;
        EXPECT_EQ(11u, get(*journal, 1));
        EXPECT_EQ(0u, get(*journal, 2));
        EXPECT_EQ(0u, get(*journal, 3));
    }
    ImageDisk image = with_two_groups();
    EXPECT_EQ(2u, opened(image)->recovery().last_sequence);
}

TEST(JournalRecovery, AGroupOfAFormerLifeIsNotReplayedBehindANewOne) {
    const ImageDisk empty = formatted(64, 16);
    ImageDisk former = empty;
    {
        auto journal = opened(former);
        for (uint64_t i = 1; i <= 2; ++i) {
            ASSERT_TRUE(put(*journal, i, i));
            ASSERT_TRUE(journal->wait_durable({i}, 1));
        }
    }
    // The second group's write came through, the first one's did not: nobody was told of either.
    ImageDisk image = empty;
    image.put(3, former.block(3));
    {
        auto journal = opened(image);
        ASSERT_EQ(0u, journal->last_sequence().value);
        ASSERT_TRUE(put(*journal, 1, 1));
        ASSERT_TRUE(journal->wait_durable({1}, 1));
    }
    auto journal = opened(image);
    EXPECT_EQ(1u, journal->last_sequence().value);
    EXPECT_EQ(0u, get(*journal, 2)) << "a change that this life never made";
}

// As a disk that wrote it to the wrong place would leave it.
TEST(JournalRecovery, AGroupThatLiesWhereItWasNotMeantToIsNotReplayed) {
    for (const uint64_t moved_by : {0, 3}) {
        ImageDisk image = formatted(64, 16);
        {
            auto journal = opened(image);
            ASSERT_TRUE(put(*journal, 1, 11));
            ASSERT_TRUE(journal->wait_durable({1}, 1));
        }
        auto superblock = decode_superblock(image.block(0).span());
        ASSERT_TRUE(superblock);
        image.put(superblock->log_start + moved_by, image.block(superblock->log_start));
        superblock->tail_position = moved_by;
        image.put(0, encode(*superblock));
        EXPECT_EQ(moved_by == 0 ? 11u : 0u, get(*opened(image), 1));
    }
}

TEST(JournalFormat, ADamagedImageIsRefusedOrOpenedAndNeverCrashes) {
    ImageDisk image = formatted(40, 12);
    {
        auto journal = opened(image);
        std::mt19937_64 random(3);
        ModelState state = blank_state(journal->size_blocks());
        for (int i = 0; i < 4; ++i) {
            ChangeSet changes;
            draw_changes(random, journal->cache(), changes, state);
            ASSERT_TRUE(journal->commit(changes, 1, 1));
        }
        ASSERT_TRUE(journal->wait_durable(journal->last_sequence(), 1));
    }
    std::mt19937_64 random(11);
    for (int i = 0; i < 2000; ++i) {
        ImageDisk damaged = image;
        for (int flips = 0; flips < 3; ++flips)
            flip_bit(damaged, random() % 14,
                     static_cast<uint32_t>(random() % (flips == 0 ? sizeof(LogSuperblock) : 4096)));
        auto journal = Journal::open(damaged, by_hand);
        if (journal) continue;
        EXPECT_NE(StorageError::io, journal.error().code);
    }
}

}  // namespace
}  // namespace lockstep::server::journal
