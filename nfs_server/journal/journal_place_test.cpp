// Blocks whose content goes straight home: what is written where, what recovery makes of it, and when it may not be.
#include <gtest/gtest.h>

#include <thread>

#include "nfs_server/disk/faulty_disk.hpp"
#include "nfs_server/disk/gate_disk.hpp"
#include "nfs_server/disk/recording_disk.hpp"
#include "nfs_server/journal/journal.hpp"
#include "nfs_server/journal/journal_test_steps.hpp"
#include "nfs_server/journal/log_group.hpp"

namespace lockstep::server::journal {
namespace {

using disk::DiskEvent;
using disk::ImageDisk;
using disk::RecordingDisk;

constexpr uint64_t log_blocks = 16;
constexpr uint64_t data_start = superblock_slots + log_blocks;

// One commit that places `count` blocks, each filled with `fill`; false when they may not go home.
bool place(Journal& journal, uint64_t first, uint64_t count, char fill, uint64_t freed_sequence = 0) {
    std::vector<PinnedBlock> pins;
    if (!journal.may_place(freed_sequence) || !*journal.cache().pin_for_home(first, count, pins)) return false;
    std::vector<BlockBuffer> contents;
    for (uint64_t i = 0; i < count; ++i)
        std::memset(contents.emplace_back(BlockBuffer::uninitialised()).mutable_data(), fill, block_size_bytes);
    ChangeSet changes;
    changes.place(std::move(pins), contents, freed_sequence);
    EXPECT_TRUE(journal.commit(changes, 1, 1));
    return true;
}

char first_byte(Journal& journal, uint64_t block) {
    char byte = 0;
    EXPECT_TRUE(journal.cache().read(block, 0, std::as_writable_bytes(std::span(&byte, 1))));
    return byte;
}

bool make_durable(Journal& journal) {
    return journal.wait_durable(journal.last_sequence(), 1).has_value();
}

TEST(JournalPlace, NewBlocksAreWrittenOnceAndTheLogHoldsTheirHashes) {
    RecordingDisk disk(formatted(128, log_blocks));
    auto journal = opened(disk);
    const size_t before = disk.events_count();
    ASSERT_TRUE(place(*journal, 20, 40, 'p'));
    ASSERT_TRUE(make_durable(*journal));
    size_t home = 0, log = 0, barriers = 0;
    for (const DiskEvent& event : std::span(disk.events()).subspan(before)) {
        if (event.kind == DiskEvent::Kind::barrier_ended) ++barriers;
        if (event.kind == DiskEvent::Kind::write) ++(event.block >= data_start ? home : log);
    }
    EXPECT_EQ(40u, home);
    EXPECT_EQ(1u, log);
    EXPECT_EQ(1u, barriers) << "one for the blocks and the record";
    ASSERT_TRUE(journal->sync());
    EXPECT_EQ(0u, journal->counters().blocks_installed);
    EXPECT_EQ('p', first_byte(*journal, 59));
}

TEST(JournalPlace, WhatWasPlacedIsThereAfterACrashAndCanBePatched) {
    ImageDisk image = formatted(128, log_blocks);
    {
        auto journal = opened(image);
        ASSERT_TRUE(place(*journal, 20, 3, 'p'));
        ASSERT_TRUE(put(*journal, 21, 7));
        ASSERT_TRUE(make_durable(*journal));
    }
    auto journal = opened(image);
    EXPECT_EQ(2u, journal->recovery().last_sequence);
    EXPECT_EQ(1u, journal->recovery().blocks_written);
    EXPECT_EQ(7u, get(*journal, 21));
    EXPECT_EQ('p', first_byte(*journal, 20));
    EXPECT_EQ('p', first_byte(*journal, 22));
}

TEST(JournalPlace, AGroupThatIsNotWholeAtHomeIsDropped) {
    ImageDisk image = formatted(128, log_blocks);
    {
        auto journal = opened(image);
        ASSERT_TRUE(put(*journal, 1, 11));
        ASSERT_TRUE(make_durable(*journal));
        ASSERT_TRUE(place(*journal, 20, 3, 'p'));
        ASSERT_TRUE(put(*journal, 1, 12));
        ASSERT_TRUE(make_durable(*journal));
    }
    flip_bit(image, data_start + 22, 4000);
    auto journal = opened(image);
    EXPECT_EQ(1u, journal->last_sequence().value);
    EXPECT_EQ(11u, get(*journal, 1));
}

// The slot may have said that the group was settled: then its home has changed since, and it is no crash's doing.
TEST(JournalPlace, AGroupThatIsNotWholeAtHomeIsDamageWhereTheOtherSuperblockIsLost) {
    ImageDisk image = formatted(128, log_blocks);
    {
        auto journal = opened(image);
        ASSERT_TRUE(place(*journal, 20, 3, 'p'));
        ASSERT_TRUE(make_durable(*journal));
    }
    flip_bit(image, 1, 60);
    ImageDisk whole = image;
    EXPECT_EQ(1u, opened(whole)->last_sequence().value);
    flip_bit(image, data_start + 22, 4000);
    const auto refused = Journal::open(image, by_hand);
    ASSERT_FALSE(refused);
    EXPECT_EQ(StorageError::corrupt, refused.error().code);
}

// The same content once more in the same place, as a client would send it again, does not bring the lost group back.
TEST(JournalPlace, AGroupThatWasDroppedNeverComesBack) {
    ImageDisk image = formatted(128, log_blocks);
    {
        auto journal = opened(image);
        ASSERT_TRUE(place(*journal, 20, 3, 'p'));
        ASSERT_TRUE(put(*journal, 1, 12));
        ASSERT_TRUE(make_durable(*journal));
    }
    flip_bit(image, data_start + 22, 4000);
    EXPECT_EQ(0u, opened(image)->last_sequence().value);
    flip_bit(image, data_start + 22, 4000);
    auto journal = opened(image);
    EXPECT_EQ(0u, journal->last_sequence().value);
    EXPECT_EQ(0u, get(*journal, 1));
}

// Else what is placed next, before the first group of this life, could be on the disk while the old head is, too.
TEST(JournalPlace, AGroupThatWasDroppedIsErasedDurablyBeforeAnythingIsServed) {
    ImageDisk image = formatted(128, log_blocks);
    {
        auto journal = opened(image);
        ASSERT_TRUE(place(*journal, 20, 3, 'p'));
        ASSERT_TRUE(make_durable(*journal));
    }
    flip_bit(image, data_start + 22, 4000);
    RecordingDisk disk(image);
    ASSERT_TRUE(opened(disk));
    bool is_erased = false, is_durable = false;
    for (const DiskEvent& event : disk.events()) {
        if (event.kind == DiskEvent::Kind::write && event.block == superblock_slots) is_erased = true;
        if (event.kind == DiskEvent::Kind::barrier_began && is_erased) is_durable = true;
    }
    EXPECT_TRUE(is_erased);
    EXPECT_TRUE(is_durable);
}

TEST(JournalPlace, WhatIsSettledIsNotComparedAnyMore) {
    ImageDisk image = formatted(128, log_blocks);
    {
        auto journal = opened(image);
        ASSERT_TRUE(place(*journal, 20, 3, 'p'));
        ASSERT_TRUE(journal->settle());
        EXPECT_EQ(1u, journal->counters().settlements);
        ASSERT_TRUE(journal->settle());
        EXPECT_EQ(1u, journal->counters().settlements) << "nothing new";
    }
    flip_bit(image, data_start + 22, 4000);  // the installer would write another content as a whole
    EXPECT_EQ(1u, opened(image)->last_sequence().value);
}

TEST(JournalPlace, TheInstallerSettlesBeforeItWritesOverPlacedBlocks) {
    RecordingDisk disk(formatted(128, log_blocks));
    auto journal = opened(disk);
    ASSERT_TRUE(place(*journal, 20, 3, 'p'));
    ASSERT_TRUE(put(*journal, 21, 7));
    const size_t before = disk.events_count();
    ASSERT_TRUE(journal->checkpoint());
    EXPECT_EQ(1u, journal->counters().settlements);
    bool settled = false, barrier_after = false;
    for (const DiskEvent& event : std::span(disk.events()).subspan(before)) {
        if (event.kind == DiskEvent::Kind::write && event.block < superblock_slots) settled = true;
        if (event.kind == DiskEvent::Kind::barrier_ended && settled) barrier_after = true;
        if (event.kind == DiskEvent::Kind::write && event.block == data_start + 21 && settled) {
            EXPECT_TRUE(barrier_after);
            return;
        }
    }
    FAIL() << "block 21 was not installed";
}

TEST(JournalPlace, AFreedBlockTakesNewContentHomeOnlyWhenItsRemovalIsSettled) {
    ImageDisk image = formatted(128, log_blocks);
    auto journal = opened(image);
    ASSERT_TRUE(place(*journal, 20, 3, 'p'));
    const auto freed = put(*journal, 1, 1);
    ASSERT_TRUE(freed);
    EXPECT_FALSE(place(*journal, 20, 3, 'q', freed->value));
    ASSERT_TRUE(make_durable(*journal));
    EXPECT_FALSE(place(*journal, 20, 3, 'q', freed->value)) << "durable, but recovery would compare the older content";
    ASSERT_TRUE(journal->settle());
    EXPECT_TRUE(place(*journal, 20, 3, 'q', freed->value));
    EXPECT_EQ('q', first_byte(*journal, 22));
}

TEST(JournalPlace, ABlockThatWaitsForTheInstallerTakesNoContentHome) {
    ImageDisk image = formatted(128, log_blocks);
    auto journal = opened(image);
    const auto old = put(*journal, 21, 1);
    ASSERT_TRUE(old);
    ASSERT_TRUE(journal->settle());
    EXPECT_FALSE(place(*journal, 20, 3, 'q', old->value));
    ASSERT_TRUE(journal->checkpoint());
    EXPECT_TRUE(place(*journal, 20, 3, 'q', old->value));
}

// Two groups as a busy server leaves them: the checkpoint between them installed block 30, but could not free the first
// group, because of other records in it.
TEST(JournalPlace, ReplayForgetsWhatOlderRecordsMadeOfAPlacedBlock) {
    ImageDisk image = formatted(128, log_blocks);
    const auto superblock = decode_superblock(image.block(0).span());
    ASSERT_TRUE(superblock);
    BlockCache cache(image, data_start, superblock->data_blocks, 64);
    LogArea log(image, superblock->log_start, superblock->log_blocks);
    GroupOrigin origin{.log_id = superblock->log_id, .incarnation = 1};
    const auto write_group = [&](uint64_t sequence, const ChangeSet& changes) {
        EncodedRecord record;
        changes.encode(1, record);
        LogGroup group;
        group.append(sequence, record);
        const uint64_t checksum = group.seal(origin);
        EXPECT_TRUE(log.write(origin.position, group.pieces()));
        origin.position += group.size_blocks();
        origin.previous_checksum = checksum;
    };
    const auto filled = [](char fill) {
        const std::vector<char> bytes(block_size_bytes, fill);
        return BlockBuffer::copy_of(std::as_bytes(std::span(bytes)));
    };
    ChangeSet older, newer;
    older.replace(older.add(std::move(*cache.pin_unread(30))), filled('o'));
    write_group(1, older);
    std::vector<PinnedBlock> pins;
    ASSERT_TRUE(*cache.pin_for_home(30, 1, pins));
    BlockBuffer content = filled('n');
    image.put(data_start + 30, content);
    newer.place(std::move(pins), std::span(&content, 1), 1);
    write_group(2, newer);

    auto journal = opened(image);
    EXPECT_EQ(2u, journal->last_sequence().value);
    EXPECT_EQ('n', first_byte(*journal, 30));
}

TEST(JournalPlace, ALogThatEndsBeforeWhatIsSettledIsDamaged) {
    ImageDisk image = formatted(128, log_blocks);
    {
        auto journal = opened(image);
        ASSERT_TRUE(place(*journal, 20, 3, 'p'));
        ASSERT_TRUE(journal->settle());
    }
    flip_bit(image, superblock_slots, 100);
    const auto refused = Journal::open(image, by_hand);
    ASSERT_FALSE(refused);
    EXPECT_EQ(StorageError::corrupt, refused.error().code);
}

TEST(JournalPlace, ADiskOfVersion1IsServedAndStaysSo) {
    ImageDisk image = formatted(128, log_blocks);
    auto superblock = decode_superblock(image.block(0).span());
    ASSERT_TRUE(superblock);
    superblock->version = format_version_without_homes;
    image.put(0, encode(*superblock));
    {
        auto journal = opened(image);
        EXPECT_FALSE(place(*journal, 20, 3, 'p'));
        ASSERT_TRUE(put(*journal, 1, 11));
        ASSERT_TRUE(journal->settle());
        ASSERT_TRUE(put(*journal, 2, 22));
        ASSERT_TRUE(make_durable(*journal));
    }
    auto journal = opened(image);
    EXPECT_EQ(11u, get(*journal, 1));
    EXPECT_EQ(22u, get(*journal, 2));
    for (const uint64_t slot : {0, 1}) {
        const auto found = decode_superblock(image.block(slot).span());
        ASSERT_TRUE(found) << slot;
        EXPECT_EQ(format_version_without_homes, found->version);
    }
}

// Else a reader would get what a removed file had left in these blocks.
TEST(JournalPlace, WhatTheDiskDidNotTakeIsStillRead) {
    for (const uint64_t passing : {0, 1}) {  // the write of the blocks fails, or that of the log behind it
        ImageDisk image = formatted(128, log_blocks);
        disk::FaultyDisk disk(image);
        auto journal = opened(disk, {.cache_blocks = 1, .background = false});
        ASSERT_TRUE(place(*journal, 20, 6, 'p'));
        disk.fail_after(disk::FaultyDisk::Operation::write, passing);
        EXPECT_FALSE(make_durable(*journal));
        // Others take the cache's room meanwhile.
        for (uint64_t block = 0; block < 20; ++block) EXPECT_EQ(0, first_byte(*journal, block)) << block;
        for (uint64_t block = 26; block < 100; ++block) EXPECT_EQ(0, first_byte(*journal, block)) << block;
        for (uint64_t block = 20; block < 26; ++block) EXPECT_EQ('p', first_byte(*journal, block)) << block;
        EXPECT_FALSE(put(*journal, 1, 1));
    }
}

// Though the log's write behind it, and the barrier, go well.
TEST(JournalPlace, AFailedWriteOfTheBlocksAloneIsNoPromise) {
    ImageDisk image = formatted(128, log_blocks);
    disk::FaultyDisk disk(image);
    auto journal = opened(disk);
    ASSERT_TRUE(place(*journal, 20, 6, 'p'));
    disk.fail_once_after(disk::FaultyDisk::Operation::write, 0);
    EXPECT_FALSE(make_durable(*journal));
    EXPECT_FALSE(make_durable(*journal));
    EXPECT_FALSE(put(*journal, 1, 1));
}

TEST(JournalPlace, ABlockThatIsBeingReadTakesNoContentHome) {
    ImageDisk image = formatted(128, log_blocks);
    disk::GateDisk disk(image);
    auto journal = opened(disk);
    disk.reads.close();
    std::thread reader([&] { EXPECT_TRUE(journal->cache().snapshot(21)); });
    disk.reads.wait_for(1);
    EXPECT_FALSE(place(*journal, 20, 3, 'p'));
    disk.reads.open();
    reader.join();
    EXPECT_TRUE(place(*journal, 20, 3, 'p'));
    EXPECT_EQ('p', first_byte(*journal, 21));
}

TEST(JournalPlace, WhatWaitsForItsWriteIsBounded) {
    ImageDisk image = formatted(4096, 64);
    auto journal = opened(image, {.unwritten_blocks_limit = 4, .background = true});
    for (uint64_t first = 0; first + 50 <= 3000; first += 50) ASSERT_TRUE(place(*journal, first, 50, 'p'));
    ASSERT_TRUE(make_durable(*journal));
    EXPECT_EQ(3000u, journal->counters().blocks_placed);
    EXPECT_GT(journal->counters().groups, 10u);
}

TEST(JournalPlace, ManyFreedBlocksAreSettledInTheBackground) {
    ImageDisk image = formatted(4096, 64);
    auto journal = opened(image, {.freed_blocks_limit = 10, .background = true});
    const auto freed = put(*journal, 1, 1);
    ASSERT_TRUE(freed);
    EXPECT_FALSE(journal->may_place(freed->value));
    journal->note_freed(11);
    while (!journal->may_place(freed->value)) std::this_thread::yield();
    EXPECT_EQ(freed->value, journal->durable_sequence().value);
}

}  // namespace
}  // namespace lockstep::server::journal
