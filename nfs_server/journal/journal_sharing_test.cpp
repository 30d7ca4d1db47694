// What many commits share, and when one waits for another: absorption, pipelining, back-pressure. Each test counts the
// writes of a recording disk, or holds a disk's operation back and looks at what happens meanwhile.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "nfs_server/disk/gate_disk.hpp"
#include "nfs_server/disk/recording_disk.hpp"
#include "nfs_server/journal/journal.hpp"
#include "nfs_server/journal/journal_test_steps.hpp"

namespace lockstep::server::journal {
namespace {

using disk::DiskEvent;
using disk::GateDisk;
using disk::ImageDisk;
using disk::RecordingDisk;

constexpr uint64_t log_blocks = 16;
constexpr uint64_t first_data_block = superblock_slots + log_blocks;

/// The disk's writes from an event on.
struct Writes {
    uint64_t to_log = 0;
    uint64_t to_data = 0;
    uint64_t to_superblock = 0;
};
Writes writes_since(const RecordingDisk& disk, size_t first_event) {
    Writes writes;
    for (size_t i = first_event; i < disk.events().size(); ++i) {
        const DiskEvent& event = disk.events()[i];
        if (event.kind != DiskEvent::Kind::write) continue;
        ++(event.block < superblock_slots   ? writes.to_superblock
           : event.block < first_data_block ? writes.to_log
                                            : writes.to_data);
    }
    return writes;
}

TEST(JournalAbsorption, ChangesOfOneBlockByManyTransactionsAreOneBlockOfTheLogAndOneInstallation) {
    RecordingDisk disk(formatted(64, log_blocks));
    auto journal = opened(disk);
    const size_t before = disk.events_count();
    for (uint64_t value = 1; value <= 20; ++value) ASSERT_TRUE(put(*journal, 7, value));
    EXPECT_EQ(before, disk.events_count());
    ASSERT_TRUE(journal->wait_durable({20}, 1));
    EXPECT_EQ(1u, writes_since(disk, before).to_log);
    ASSERT_TRUE(journal->checkpoint());
    const Writes writes = writes_since(disk, before);
    EXPECT_EQ(1u, writes.to_log);
    EXPECT_EQ(1u, writes.to_data);
    EXPECT_EQ(1u, writes.to_superblock);
    EXPECT_EQ(20u, get(*opened(disk), 7));
}

// Also when every one of them was waited for: the log then holds each, the block goes home once, with the last.
TEST(JournalAbsorption, ABlockThatWasReplacedInManyGroupsGoesHomeOnce) {
    RecordingDisk disk(formatted(64, log_blocks));
    auto journal = opened(disk);
    const size_t before = disk.events_count();
    for (const char fill : {'a', 'b', 'c'}) {
        const auto sequence = put_blocks(*journal, 7, 1, fill);
        ASSERT_TRUE(sequence);
        ASSERT_TRUE(journal->wait_durable(*sequence, 1));
    }
    ASSERT_TRUE(journal->checkpoint());
    EXPECT_EQ(6u, writes_since(disk, before).to_log);
    EXPECT_EQ(1u, writes_since(disk, before).to_data);
    EXPECT_EQ(0x6363636363636363u, get(*opened(disk), 7));
}

// A checkpoint leaves nothing behind that the next would write again.
TEST(JournalAbsorption, WhatWasInstalledIsNotInstalledAgain) {
    RecordingDisk disk(formatted(64, log_blocks));
    auto journal = opened(disk);
    ASSERT_TRUE(put(*journal, 7, 1));
    ASSERT_TRUE(journal->checkpoint());
    const size_t before = disk.events_count();
    ASSERT_TRUE(journal->checkpoint());
    EXPECT_EQ(before, disk.events_count());
    ASSERT_TRUE(put(*journal, 8, 1));
    ASSERT_TRUE(journal->checkpoint());
    EXPECT_EQ(1u, writes_since(disk, before).to_data);
}

// The log holds a head and seven such blocks; twenty are committed while the disk takes nothing, and then does.
TEST(JournalPressure, AFullLogHoldsCommitsBackAndFailsNone) {
    ImageDisk image = formatted(64, 8);
    GateDisk disk(image);
    auto journal = opened(disk, {});
    disk.writes.close();
    std::atomic<uint64_t> committed{0};
    std::thread writer([&] {
        for (uint64_t i = 0; i < 20; ++i) {
            EXPECT_TRUE(put_blocks(*journal, i, 1, 'p'));
            ++committed;
        }
    });
    disk.writes.wait_for(1);  // the installer brings the log to the disk, because a commit waits for room
    EXPECT_LE(committed, 7u);
    EXPECT_LE(journal->last_sequence().value, 7u);
    disk.writes.open();
    writer.join();
    EXPECT_EQ(20u, committed);
    EXPECT_TRUE(journal->sync());
    EXPECT_EQ(0x7070707070707070u, get(*journal, 19));
}

// A disk whose barrier never seems to end: commits go on, and so do readers of what they wrote.
TEST(JournalPipeline, CommitsAndReadsGoOnDuringABarrier) {
    ImageDisk image = formatted(64, log_blocks);
    GateDisk disk(image);
    auto journal = opened(disk);
    disk.barriers.close();
    std::thread waiter([&] {
        const auto sequence = put(*journal, 1, 1);
        EXPECT_TRUE(sequence);
        EXPECT_TRUE(journal->wait_durable(*sequence, 1));
    });
    disk.barriers.wait_for(1);
    for (uint64_t value = 2; value <= 10; ++value) {
        ASSERT_TRUE(put(*journal, 1, value));
        ASSERT_EQ(value, get(*journal, 1));
    }
    EXPECT_EQ(0u, journal->durable_sequence().value);
    EXPECT_EQ(1u, disk.barriers.arrived());
    disk.barriers.open();
    waiter.join();
    EXPECT_EQ(1u, journal->durable_sequence().value) << "what came later is not promised by the earlier barrier";
}

}  // namespace
}  // namespace lockstep::server::journal
