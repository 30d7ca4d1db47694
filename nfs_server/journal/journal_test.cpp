#include "nfs_server/journal/journal.hpp"

#include <gtest/gtest.h>
#include <lttng/tracepoint.h>

#include <string>
#include <thread>

#include "nfs_server/disk/faulty_disk.hpp"
#include "nfs_server/disk/gate_disk.hpp"
#include "nfs_server/disk/memory_disk.hpp"
#include "nfs_server/disk/recording_disk.hpp"
#include "nfs_server/journal/journal_model_test.hpp"
#include "tracepoints/journal.tp"

namespace lockstep::server::journal {
namespace {

using disk::DiskEvent;
using disk::FaultyDisk;
using disk::GateDisk;
using disk::ImageDisk;
using disk::MemoryDisk;
using disk::RecordingDisk;

constexpr JournalOptions by_hand{.background = false};

std::unique_ptr<Journal> opened(disk::Disk& disk, const JournalOptions& options = by_hand) {
    auto journal = Journal::open(disk, options);
    if (!journal) {
        ADD_FAILURE() << journal.error().message;
        return nullptr;
    }
    return std::move(*journal);
}

ImageDisk formatted(uint64_t blocks, uint64_t log_blocks) {
    ImageDisk image(blocks);
    EXPECT_TRUE(Journal::format(image, {.log_blocks = log_blocks}));
    return image;
}

// One commit that writes `value` to the first 8 bytes of a block.
Result<Sequence, StorageError> put(Journal& journal, uint64_t block, uint64_t value) {
    ChangeSet changes;
    LOCKSTEP_TRY(PinnedBlock pinned, journal.cache().pin(block));
    const size_t index = changes.add(std::move(pinned));
    changes.write_bytes(index, 0, std::as_bytes(std::span(&value, 1)));
    return journal.commit(changes, 1, 1);
}

Result<Sequence, StorageError> put_blocks(Journal& journal, uint64_t first_block, uint64_t count, char fill) {
    ChangeSet changes;
    for (uint64_t block = first_block; block < first_block + count; ++block) {
        LOCKSTEP_TRY(PinnedBlock pinned, journal.cache().pin_unread(block));
        BlockBuffer content = BlockBuffer::uninitialised();
        std::memset(content.mutable_data(), fill, block_size_bytes);
        changes.replace(changes.add(std::move(pinned)), std::move(content));
    }
    return journal.commit(changes, 1, 1);
}

uint64_t get(Journal& journal, uint64_t block) {
    uint64_t value = 0;
    EXPECT_TRUE(journal.cache().read(block, 0, std::as_writable_bytes(std::span(&value, 1))));
    return value;
}

void flip_bit(ImageDisk& image, uint64_t block, uint32_t byte) {
    BlockBuffer content = image.block(block);
    content.make_unique();
    content.mutable_data()[byte] ^= std::byte{4};
    image.put(block, content);
}

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

TEST(JournalFormat, AnotherVersionOrFeatureIsRefusedAndNothingIsWritten) {
    const ImageDisk good = formatted(64, 16);
    auto superblock = decode_superblock(good.block(0).span());
    ASSERT_TRUE(superblock);
    ImageDisk image = good;
    superblock->version = 2;
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

TEST(Journal, ManyLapsKeepEverything) {
    ImageDisk image = formatted(64, 8);
    std::mt19937_64 random(7);
    ModelState state;
    for (int life = 0; life < 4; ++life) {
        auto journal = opened(image);
        if (state.empty()) state = blank_state(journal->size_blocks());
        ASSERT_EQ(-1, first_difference(journal->cache(), state)) << "life " << life;
        for (int i = 0; i < 100; ++i) {
            ChangeSet changes;
            draw_changes(random, journal->cache(), changes, state);
            auto sequence = journal->commit(changes, 1, 1);
            if (!sequence && sequence.error() == StorageError::log_full) {
                ASSERT_TRUE(journal->checkpoint());
                sequence = journal->commit(changes, 1, 1);
            }
            ASSERT_TRUE(sequence) << to_string(sequence.error());
        }
        ASSERT_TRUE(journal->wait_durable(journal->last_sequence(), 1));
        EXPECT_GT(journal->counters().log_blocks_written, 4 * 8u) << "laps";
    }
}

TEST(Journal, AFullLogIsAnErrorWithoutAnInstallerAndFreesUpByACheckpoint) {
    ImageDisk image = formatted(64, 8);
    auto journal = opened(image);
    uint64_t commits = 0;
    while (put_blocks(*journal, commits, 1, 'f')) ASSERT_TRUE(journal->wait_durable({++commits}, 1));
    EXPECT_EQ(4u, commits) << "a head and a data block each";
    EXPECT_EQ(StorageError::log_full, put(*journal, 0, 1).error());
    EXPECT_EQ(4u, journal->last_sequence().value);
    ASSERT_TRUE(journal->checkpoint());
    EXPECT_TRUE(put(*journal, 0, 1));
}

TEST(Journal, AFullLogMakesCommitsWaitForTheInstaller) {
    ImageDisk image = formatted(128, 8);
    {
        auto journal = opened(image, {.cache_blocks = 64});
        std::vector<std::thread> threads;
        for (uint64_t thread = 0; thread < 4; ++thread)
            threads.emplace_back([&, thread] {
                for (uint64_t i = 1; i <= 100; ++i) {
                    EXPECT_TRUE(put(*journal, thread, i));
                    EXPECT_TRUE(put_blocks(*journal, 10 + thread * 3, 1 + i % 3, static_cast<char>(i)));
                }
            });
        for (auto& thread : threads) thread.join();
        ASSERT_TRUE(journal->sync());
        EXPECT_EQ(800u, journal->last_sequence().value);
        EXPECT_GT(journal->counters().checkpoints, 10u);
    }
    auto journal = opened(image);
    EXPECT_EQ(0u, journal->recovery().last_sequence) << "sync leaves nothing to replay";
    for (uint64_t thread = 0; thread < 4; ++thread) EXPECT_EQ(100u, get(*journal, thread));
}

TEST(Journal, ARecordThatNeverFitsIsTooLargeAndChangesNothing) {
    ImageDisk image = formatted(64, 8);
    auto journal = opened(image);
    EXPECT_EQ(StorageError::too_large, put_blocks(*journal, 0, 4, 'x').error());
    EXPECT_EQ(0u, journal->last_sequence().value);
    EXPECT_EQ(0u, get(*journal, 0));
}

TEST(Journal, OneBarrierMakesAWholeGroupDurable) {
    RecordingDisk disk(formatted(64, 16));
    auto journal = opened(disk);
    const size_t before = disk.events_count();
    for (uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(put(*journal, i, i));
    EXPECT_EQ(before, disk.events_count()) << "committing touches no disk";
    ASSERT_TRUE(journal->wait_durable({5}, 1));
    ASSERT_TRUE(journal->wait_durable({3}, 1));
    // One write of one block, one barrier's begin and end.
    EXPECT_EQ(before + 3, disk.events_count());
    EXPECT_EQ(1u, journal->counters().groups);
}

// Commits a block of its own and waits.
std::thread commit_and_wait(Journal& journal, uint64_t block) {
    return std::thread([&journal, block] {
        const auto sequence = put(journal, block, block);
        EXPECT_TRUE(sequence);
        EXPECT_TRUE(journal.wait_durable(*sequence, block));
    });
}

// Barriers that are begun, at most `limit` at once, by one commit and five that come during its barrier.
uint64_t barriers_for_one_and_five(uint64_t limit) {
    ImageDisk image = formatted(64, 16);
    GateDisk disk(image);
    auto journal = opened(disk, {.barriers_limit = limit, .background = false});
    disk.barriers.close();
    std::vector<std::thread> threads;
    threads.push_back(commit_and_wait(*journal, 1));
    disk.barriers.wait_for(1);
    for (uint64_t block = 2; block <= 6; ++block) threads.push_back(commit_and_wait(*journal, block));
    while (journal->last_sequence().value < 6) std::this_thread::yield();
    disk.barriers.wait_for(limit);
    EXPECT_EQ(0u, journal->durable_sequence().value);
    disk.barriers.open();
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(6u, journal->durable_sequence().value);
    return disk.barriers.arrived();
}

TEST(Journal, WhatIsCommittedDuringABarrierSharesTheNextOne) {
    EXPECT_EQ(2u, barriers_for_one_and_five(1));
}

TEST(Journal, ACommitDuringABarrierDoesNotWaitForItsEnd) {
    const uint64_t barriers = barriers_for_one_and_five(2);
    EXPECT_GE(barriers, 2u) << "the second began before the first had ended";
    EXPECT_LE(barriers, 4u);
}

TEST(Journal, ABarrierServesOnlyWhatWasWrittenBeforeItBegan) {
    ImageDisk image = formatted(64, 16);
    GateDisk disk(image);
    auto journal = opened(disk, {.barriers_limit = 2, .background = false});
    disk.barriers.close();
    std::thread first = commit_and_wait(*journal, 1);
    disk.barriers.wait_for(1);
    std::thread second = commit_and_wait(*journal, 2);
    disk.barriers.wait_for(2);
    disk.barriers.let_one_through();
    first.join();
    EXPECT_EQ(1u, journal->durable_sequence().value) << "the second's barrier has not ended";
    disk.barriers.let_one_through();
    second.join();
    EXPECT_EQ(2u, journal->durable_sequence().value);
}

TEST(Journal, ACheckpointKeepsTheRecordOfAChangeThatIsNotInTheCacheYet) {
    ImageDisk image = formatted(64, 16);
    {
        GateDisk disk(image);
        auto journal = opened(disk);
        // A reader fetches the block's old content; the commit must wait for it before the new content is visible.
        disk.reads.close();
        std::thread reader([&] { EXPECT_TRUE(journal->cache().snapshot(5)); });
        disk.reads.wait_for(1);
        std::thread writer([&] { EXPECT_TRUE(put_blocks(*journal, 5, 1, 'n')); });
        while (journal->last_sequence().value < 1) std::this_thread::yield();
        ASSERT_TRUE(journal->wait_durable({1}, 1));
        ASSERT_TRUE(journal->checkpoint());
        ImageDisk crashed = image;
        EXPECT_EQ(0x6e6e6e6e6e6e6e6eu, get(*opened(crashed), 5));
        disk.reads.open();
        reader.join();
        writer.join();
    }
}

TEST(Journal, ABlockOnItsWayHomeStaysInTheCache) {
    ImageDisk image = formatted(2048, 16);
    GateDisk disk(image);
    auto journal = opened(disk, {.cache_blocks = 64, .background = false});
    ASSERT_TRUE(put(*journal, 7, 77));
    ASSERT_TRUE(journal->wait_durable({1}, 1));
    disk.writes.close();
    std::thread installer([&] { EXPECT_TRUE(journal->checkpoint()); });
    disk.writes.wait_for(1);
    for (uint64_t block = 100; block < 2000; ++block) ASSERT_TRUE(journal->cache().snapshot(block));
    EXPECT_EQ(77u, get(*journal, 7));
    disk.writes.open();
    installer.join();
}

TEST(Journal, AFailedLogWriteEndsAllPromises) {
    for (const auto operation : {FaultyDisk::Operation::write, FaultyDisk::Operation::barrier}) {
        ImageDisk image = formatted(64, 16);
        {
            FaultyDisk disk(image);
            auto journal = opened(disk);
            ASSERT_TRUE(put(*journal, 1, 1));
            ASSERT_TRUE(journal->wait_durable({1}, 1));
            disk.fail_after(operation, 0);
            ASSERT_TRUE(put(*journal, 2, 2));
            EXPECT_EQ(StorageError::io, journal->wait_durable({2}, 1).error());
            disk.repair();
            EXPECT_EQ(StorageError::io, journal->wait_durable({2}, 1).error())
                << "a disk that failed once is not believed";
            EXPECT_EQ(StorageError::io, put(*journal, 3, 3).error());
            EXPECT_EQ(StorageError::io, journal->checkpoint().error());
            EXPECT_TRUE(journal->wait_durable({1}, 1)) << "what was durable stays so";
        }
        auto journal = opened(image);
        EXPECT_EQ(1u, get(*journal, 1));
    }
}

TEST(Journal, AFailedInstallationEndsAllPromisesAndLosesNothing) {
    ImageDisk image = formatted(64, 16);
    {
        FaultyDisk disk(image);
        auto journal = opened(disk);
        ASSERT_TRUE(put(*journal, 1, 1));
        ASSERT_TRUE(journal->wait_durable({1}, 1));
        disk.fail_after(FaultyDisk::Operation::write, 0);
        EXPECT_EQ(StorageError::io, journal->checkpoint().error());
        EXPECT_EQ(StorageError::io, put(*journal, 2, 2).error());
    }
    auto journal = opened(image);
    EXPECT_EQ(1u, get(*journal, 1));
}

TEST(Journal, CommitsThatWaitForRoomAreToldOfAFailure) {
    ImageDisk image = formatted(64, 8);
    FaultyDisk disk(image);
    auto journal = opened(disk, {});
    disk.fail_after(FaultyDisk::Operation::barrier, 3);
    Result<Sequence, StorageError> result = Sequence{};
    for (int i = 0; i < 1000 && result; ++i) result = put_blocks(*journal, 1, 1, 'x');
    EXPECT_EQ(StorageError::io, result.error());
}

TEST(Journal, AFailedReadIsOnlyItsReadersError) {
    ImageDisk image = formatted(64, 16);
    FaultyDisk disk(image);
    auto journal = opened(disk);
    disk.fail_after(FaultyDisk::Operation::read, 0);
    EXPECT_EQ(StorageError::io, journal->cache().snapshot(3).error());
    EXPECT_EQ(StorageError::io, put(*journal, 3, 1).error());
    disk.repair();
    EXPECT_TRUE(put(*journal, 3, 1));
    EXPECT_TRUE(journal->wait_durable({1}, 1));
}

TEST(Journal, ADamagedImageIsRefusedOrOpenedAndNeverCrashes) {
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
            flip_bit(damaged, random() % 14, static_cast<uint32_t>(random() % (flips == 0 ? 104 : 4096)));
        auto journal = Journal::open(damaged, by_hand);
        if (journal) continue;
        EXPECT_NE(StorageError::io, journal.error().code);
    }
}

TEST(BlockCache, KeepsWhatWasChangedAndLetsCleanBlocksGo) {
    ImageDisk image = formatted(4096, 16);
    auto journal = opened(image, {.cache_blocks = 64, .background = false});
    BlockCache& cache = journal->cache();
    for (uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(put(*journal, i * 100, i + 1));
    for (uint64_t block = 0; block < 4000; ++block) ASSERT_TRUE(cache.snapshot(block));
    EXPECT_LE(cache.cached_blocks(), 64u + 8);
    for (uint64_t i = 0; i < 8; ++i) EXPECT_EQ(i + 1, get(*journal, i * 100)) << "only in the cache so far";
    EXPECT_EQ(8u, cache.dirty_blocks());
    ASSERT_TRUE(journal->checkpoint());
    EXPECT_EQ(0u, cache.dirty_blocks());
    for (uint64_t block = 0; block < 4000; ++block) ASSERT_TRUE(cache.snapshot(block));
    for (uint64_t i = 0; i < 8; ++i) EXPECT_EQ(i + 1, get(*journal, i * 100));
}

TEST(BlockCache, ReadersOfOneMissingBlockShareOneReading) {
    ImageDisk image = formatted(64, 16);
    auto journal = opened(image);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (uint64_t block = 0; block < journal->size_blocks(); ++block) EXPECT_EQ(0u, get(*journal, block));
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(journal->size_blocks(), journal->cache().cached_blocks());
}

// The facts that the tracepoints state, in the order in which they became true.
struct Facts {
    std::vector<std::string> seen;
};

void on_record_appended(void* data, uint64_t sequence, uint64_t, uint64_t request_id, uint32_t) {
    static_cast<Facts*>(data)->seen.push_back("appended " + std::to_string(sequence) + " of " +
                                              std::to_string(request_id));
}
void on_record_written(void* data, uint64_t first, uint64_t last, uint64_t) {
    static_cast<Facts*>(data)->seen.push_back("written " + std::to_string(first) + "-" + std::to_string(last));
}
void on_commit_durable(void* data, uint64_t request_id, uint64_t sequence) {
    static_cast<Facts*>(data)->seen.push_back("durable " + std::to_string(sequence) + " for " +
                                              std::to_string(request_id));
}
void on_checkpointed(void* data, uint64_t sequence) {
    static_cast<Facts*>(data)->seen.push_back("checkpointed " + std::to_string(sequence));
}

TEST(JournalTracepoints, StateTheFactsOncePerWaiterAndInOrder) {
    struct Probe {
        const char* event;
        void (*callback)();
        const char* signature;
    };
    const Probe probes[] = {
        {"record_appended", reinterpret_cast<void (*)()>(&on_record_appended),
         "uint64_t, sequence, uint64_t, txn_id, uint64_t, request_id, uint32_t, size_bytes"},
        {"record_written", reinterpret_cast<void (*)()>(&on_record_written),
         "uint64_t, first_sequence, uint64_t, last_sequence, uint64_t, size_bytes"},
        {"commit_durable", reinterpret_cast<void (*)()>(&on_commit_durable),
         "uint64_t, request_id, uint64_t, sequence"},
        {"checkpointed", reinterpret_cast<void (*)()>(&on_checkpointed), "uint64_t, sequence"},
    };
    ImageDisk image = formatted(64, 16);
    auto journal = opened(image);
    Facts facts;
    for (const Probe& probe : probes)
        ASSERT_EQ(
            0, lttng_ust_tracepoint_provider_register("journal", probe.event, probe.callback, &facts, probe.signature));
    ASSERT_TRUE(put(*journal, 1, 1));
    ASSERT_TRUE(put(*journal, 2, 2));
    ASSERT_TRUE(journal->wait_durable({2}, 77));
    ASSERT_TRUE(journal->wait_durable({1}, 78));
    ASSERT_TRUE(journal->checkpoint());
    for (const Probe& probe : probes)
        ASSERT_EQ(0, lttng_ust_tracepoint_provider_unregister("journal", probe.event, probe.callback, &facts));
    EXPECT_EQ((std::vector<std::string>{"appended 1 of 1", "appended 2 of 1", "written 1-2", "durable 2 for 77",
                                        "durable 1 for 78", "checkpointed 2"}),
              facts.seen);
}

}  // namespace
}  // namespace lockstep::server::journal
