#include "nfs_server/journal/journal.hpp"

#include <gtest/gtest.h>
#include <lttng/tracepoint.h>

#include <string>
#include <thread>

#include "nfs_server/disk/faulty_disk.hpp"
#include "nfs_server/disk/gate_disk.hpp"
#include "nfs_server/disk/recording_disk.hpp"
#include "nfs_server/journal/journal_test_model.hpp"
#include "nfs_server/journal/journal_test_steps.hpp"
#include "tracepoints/journal.tp"

namespace lockstep::server::journal {
namespace {

using disk::FaultyDisk;
using disk::GateDisk;
using disk::ImageDisk;
using disk::RecordingDisk;

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
        EXPECT_EQ(0x6e6e6e6e6e6e6e6eu, get(*journal, 5))
            << "the old content, read meanwhile, does not come over the new";
    }
}

// The installer may find changes that are newer than all that it waits for: an older record is not in the cache yet.
TEST(Journal, WhatTheInstallerFindsIsInTheLogFirst) {
    ImageDisk image = formatted(64, 16);
    GateDisk disk(image);
    auto journal = opened(disk);
    ASSERT_TRUE(journal->cache().snapshot(6));
    disk.reads.close();
    std::thread reader([&] { EXPECT_TRUE(journal->cache().snapshot(5)); });
    disk.reads.wait_for(1);
    std::thread writer([&] { EXPECT_TRUE(put_blocks(*journal, 5, 1, 'n')); });
    while (journal->last_sequence().value < 1) std::this_thread::yield();
    ASSERT_TRUE(put(*journal, 6, 66));
    ASSERT_TRUE(journal->checkpoint());
    EXPECT_EQ(2u, journal->durable_sequence().value);
    ImageDisk crashed = image;
    EXPECT_EQ(2u, opened(crashed)->last_sequence().value);
    disk.reads.open();
    reader.join();
    writer.join();
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

// What gathers while the installer is busy would else be written by the next who waits for it, all at once.
TEST(Journal, TheLogIsWrittenWhileTheInstallerWaitsForTheDisk) {
    ImageDisk image = formatted(4096, 512);
    GateDisk disk(image);
    auto journal = opened(disk, {.dirty_blocks_limit = 8, .unwritten_blocks_limit = 10, .background = true});
    disk.writes.close();
    ASSERT_TRUE(put_blocks(*journal, 0, 9, 'a'));
    disk.writes.wait_for(1);  // the installer writes the log first,
    disk.writes.let_one_through();
    disk.writes.wait_for(2);  // then the blocks
    ASSERT_TRUE(put_blocks(*journal, 20, 12, 'b'));
    disk.writes.wait_for(3);  // the log's
    disk.writes.open();
    EXPECT_TRUE(journal->sync());
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

TEST(BlockCache, OldContentThatIsReadMeanwhileDoesNotComeOverTheNew) {
    ImageDisk image = formatted(64, 16);
    GateDisk disk(image);
    auto journal = opened(disk);
    disk.reads.close();
    std::thread reader([&] { EXPECT_TRUE(journal->cache().snapshot(5)); });
    disk.reads.wait_for(1);
    std::thread writer([&] { EXPECT_TRUE(put_blocks(*journal, 5, 1, 'n')); });
    while (journal->last_sequence().value < 1) std::this_thread::yield();
    for (int i = 0; i < 100; ++i) std::this_thread::yield();
    disk.reads.open();
    reader.join();
    writer.join();
    EXPECT_EQ(0x6e6e6e6e6e6e6e6eu, get(*journal, 5));
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
