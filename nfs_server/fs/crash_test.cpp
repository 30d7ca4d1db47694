// Crashes in the middle of large removals: whatever of the writes reached the disk, recovery finds a sound file system,
// and the reaper finishes what was begun.
#include <gtest/gtest.h>

#include "nfs_server/disk/recording_disk.hpp"
#include "nfs_server/fs/directory.hpp"
#include "nfs_server/fs/file_data.hpp"
#include "nfs_server/fs/reaper.hpp"
#include "nfs_server/fs/test_file_system.hpp"

namespace lockstep::server::fs {
namespace {

using test::MountedStack;
using txn::LockMode;

constexpr std::uint64_t file_bytes = (3 * unmap_budget_blocks + 100) * block_bytes;
const test::TestOptions options{.size_blocks = 8192, .format = {.inode_count = 64, .seed = 9}};

Outcome<Inode*> lock_file_named(Operation& op, Inode& root, std::optional<FoundEntry>& found) {
    LOCKSTEP_TRY(found, find_entry(op, root, "large"));
    if (!found) return fail(Error(Error::not_found));
    return op.lock_inode(found->inode, LockMode::exclusive);
}

// A disk with one large file.
disk::ImageDisk disk_with_large_file(const Clock& clock) {
    disk::ImageDisk disk(options.size_blocks);
    EXPECT_TRUE(journal::Journal::format(disk));
    MountedStack stack(disk, clock, options);
    FileSystem& fs = stack.file_system();
    const std::string chunk(512 * 1024, 'x');
    for (std::uint64_t offset = 0; offset < file_bytes; offset += chunk.size()) {
        auto written = fs.run(0, [&](Operation& op) -> Outcome<void> {
            LOCKSTEP_TRY(Inode * root, op.lock_inode(root_inode, LockMode::exclusive));
            std::optional<FoundEntry> found;
            if (offset == 0) {
                LOCKSTEP_TRY(Inode * file, op.create_inode(FileType::regular));
                file->change().nlink = 1;
                LOCKSTEP_TRY(insert_entry(op, *root, "large", file->number()));
            }
            LOCKSTEP_TRY(Inode * file, lock_file_named(op, *root, found));
            return write_bytes(op, *file, offset, std::as_bytes(std::span(chunk)));
        });
        EXPECT_TRUE(written.result.has_value());
        EXPECT_TRUE(stack.journal().sync());
    }
    return disk;
}

// Removes the large file, or cuts it off, and reaps; every step is durable before the next.
void cut_off(disk::Disk& disk, const Clock& clock, bool remove) {
    MountedStack stack(disk, clock, options);
    FileSystem& fs = stack.file_system();
    const auto cut = fs.run(0, [&](Operation& op) -> Outcome<std::uint64_t> {
        LOCKSTEP_TRY(Inode * root, op.lock_inode(root_inode, LockMode::exclusive));
        std::optional<FoundEntry> found;
        LOCKSTEP_TRY(Inode * file, lock_file_named(op, *root, found));
        if (remove) {
            LOCKSTEP_TRY(erase_entry(op, *root, *found));
            LOCKSTEP_TRY(drop_link(op, *file));
        } else {
            LOCKSTEP_TRY(set_size(op, *file, 5));
        }
        return file->number();
    });
    ASSERT_TRUE(cut.result);
    ASSERT_TRUE(fs.wait_durable(cut.sequence, 0));
    for (bool done = false; !done;) {
        const auto step = fs.run(0, [&](Operation& op) { return reap_some(op, *cut.result); });
        ASSERT_TRUE(step.result);
        ASSERT_TRUE(fs.wait_durable(step.sequence, 0));
        done = *step.result;
    }
    ASSERT_TRUE(stack.journal().checkpoint());
}

class CrashWhileReaping : public testing::TestWithParam<bool> {};

TEST_P(CrashWhileReaping, EveryStateIsSoundAndTheWorkIsFinished) {
    ManualClock clock;
    const bool remove = GetParam();
    disk::RecordingDisk recording(disk_with_large_file(clock));
    ASSERT_NO_FATAL_FAILURE(cut_off(recording, clock, remove));
    const disk::CrashStates states(recording);
    const disk::CrashBounds bounds{.exhaustive_writes = 2, .sampled_subsets = 1, .sampled_torn = 1};
    std::uint64_t visited = 0, with_file = 0;
    for (std::size_t point = 0; point <= states.last_point(); point += 3) {
        states.visit(point, bounds, 5, [&](disk::ImageDisk& image) {
            ++visited;
            MountedStack stack(image, clock, options);
            const CheckReport before = check_file_system(stack.transactions());
            ASSERT_TRUE(before.sound()) << "crash at event " << point << ": " << before.problems.front();
            ASSERT_TRUE(stack.file_system().reap());
            const CheckReport after = check_file_system(stack.transactions());
            ASSERT_TRUE(after.sound()) << "crash at event " << point << ": " << after.problems.front();
            EXPECT_EQ(after.orphans, 0u);
            if (after.files == 1 && after.used_blocks > 100) {
                ++with_file;  // the cut had not become durable
            } else {
                EXPECT_LE(after.used_blocks, remove ? 1u : 4u);
            }
        });
        ASSERT_FALSE(testing::Test::HasFatalFailure());
    }
    EXPECT_GT(with_file, 0u);
    EXPECT_GT(visited, with_file);
}

INSTANTIATE_TEST_SUITE_P(RemovedOrCut, CrashWhileReaping, testing::Bool());

}  // namespace
}  // namespace lockstep::server::fs
