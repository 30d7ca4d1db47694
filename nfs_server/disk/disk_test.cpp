#include "nfs_server/disk/disk.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "nfs_server/base/sanitizer.hpp"
#include "nfs_server/disk/disk_spec.hpp"
#include "nfs_server/disk/faulty_disk.hpp"
#include "nfs_server/disk/file_disk.hpp"
#include "nfs_server/disk/memory_disk.hpp"
#include "nfs_server/disk/recording_disk.hpp"

namespace lockstep::server::disk {
namespace {

namespace fs = std::filesystem;

BlockBuffer filled(char with) {
    BlockBuffer buffer = BlockBuffer::uninitialised();
    std::memset(buffer.mutable_data(), with, block_size_bytes);
    return buffer;
}

bool is_filled(const BlockBuffer& buffer, char with) {
    return std::memcmp(buffer.data(), filled(with).data(), block_size_bytes) == 0;
}

class TemporaryDirectory {
 public:
    TemporaryDirectory() : path_((fs::temp_directory_path() / "lockstep-disk-XXXXXX").string()) {
        if (::mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "no temporary directory";
    }
    ~TemporaryDirectory() { fs::remove_all(path_); }
    std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
    std::string path_;
};

TEST(BlockBuffer, ACopyIsSharedUntilOneIsMadeUnique) {
    BlockBuffer first = filled('a');
    EXPECT_TRUE(first.unique());
    BlockBuffer second = first;
    EXPECT_FALSE(first.unique());
    second.make_unique();
    second.mutable_data()[0] = std::byte{'b'};
    EXPECT_TRUE(first.unique());
    EXPECT_TRUE(is_filled(first, 'a'));
}

TEST(BlockBuffer, ARememberedHashIsForgottenWhenTheContentMayChange) {
    BlockBuffer first = filled('a');
    EXPECT_EQ(0u, first.known_hash());
    first.remember_hash(7);
    BlockBuffer second = first;
    EXPECT_EQ(7u, second.known_hash()) << "of the content, whoever holds it";
    second.make_unique();
    second.mutable_data()[0] = std::byte{'b'};
    EXPECT_EQ(0u, second.known_hash());
    EXPECT_EQ(7u, first.known_hash());
    first.reset();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(0u, filled('c').known_hash()) << "nor does the memory's next user find it";
}

#ifdef LOCKSTEP_ADDRESS_SANITIZER
TEST(BlockBuffer, TheSanitizerSeesUseAfterTheLastOwner) {
    BlockBuffer first = filled('a');
    BlockBuffer second = first;
    const std::byte* const bytes = first.data();
    first.reset();
    EXPECT_EQ(__asan_address_is_poisoned(bytes), 0);
    second.reset();
    EXPECT_NE(__asan_address_is_poisoned(bytes), 0);
}
#endif

TEST(BlockBuffer, IsAlignedForDirectInputAndOutput) {
    for (int i = 0; i < 300; ++i)
        EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(BlockBuffer::uninitialised().data()) % block_size_bytes);
}

void expect_behaves_as_a_disk(Disk& disk) {
    EXPECT_TRUE(is_filled(*disk.read_block(3), '\0')) << "what was never written is zeros";
    const BlockBuffer a = filled('a');
    const BlockBuffer b = filled('b');
    const std::byte* const pieces[] = {a.data(), b.data(), a.data()};
    ASSERT_TRUE(disk.write(3, pieces));
    ASSERT_TRUE(disk.barrier());
    EXPECT_TRUE(is_filled(*disk.read_block(3), 'a'));
    EXPECT_TRUE(is_filled(*disk.read_block(4), 'b'));
    EXPECT_TRUE(is_filled(*disk.read_block(5), 'a'));
    EXPECT_EQ(StorageError::out_of_range, disk.write(disk.size_blocks() - 2, pieces).error());
    EXPECT_EQ(StorageError::out_of_range, disk.read_block(disk.size_blocks()).error());
    EXPECT_EQ(StorageError::out_of_range, disk.read_block(UINT64_MAX).error());
}

// As a worker takes what the installer or the log's writer gives back. Several give, since threads share lists.
TEST(BlockBuffer, WhatOthersGaveBackIsUsedBeforeMemoryIsTaken) {
    uint64_t after_the_first = 0;
    for (int round = 0; round < 50; ++round) {
        std::vector<std::vector<BlockBuffer>> taken(8);
        for (auto& part : taken)
            for (int i = 0; i < 128; ++i) part.push_back(BlockBuffer::uninitialised());
        std::vector<std::thread> givers;
        for (auto& part : taken) givers.emplace_back([&part] { part.clear(); });
        for (auto& giver : givers) giver.join();
        if (round == 0) after_the_first = BlockBuffer::allocated_blocks();
    }
    EXPECT_EQ(after_the_first, BlockBuffer::allocated_blocks());
}

TEST(BlockBuffer, NoTwoThreadsHoldOneBlock) {
    std::vector<std::thread> threads;
    std::atomic<int> overwritten{0};
    for (int thread = 0; thread < 4; ++thread)
        threads.emplace_back([&overwritten, thread] {
            for (int round = 0; round < 200; ++round) {
                std::vector<BlockBuffer> taken;
                for (int i = 0; i < 64; ++i) {
                    taken.push_back(BlockBuffer::uninitialised());
                    std::memcpy(taken.back().mutable_data(), &thread, sizeof thread);
                }
                for (const BlockBuffer& block : taken)
                    if (std::memcmp(block.data(), &thread, sizeof thread) != 0) ++overwritten;
                if (round % 2 == 0) std::thread([given = std::move(taken)]() mutable { given.clear(); }).join();
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(0, overwritten);
}

TEST(MemoryDisk, BehavesAsADisk) {
    MemoryDisk disk(16);
    expect_behaves_as_a_disk(disk);
}

TEST(MemoryDisk, WhoSharesABlockWithItDoesNotSeeItChange) {
    MemoryDisk disk(4);
    std::vector<BlockBuffer> written{filled('a'), filled('b')};
    ASSERT_TRUE(disk.write_shared(1, written));
    EXPECT_FALSE(written[0].unique()) << "kept, not copied";
    written[0].make_unique();
    std::memset(written[0].mutable_data(), 'x', block_size_bytes);
    const auto before = disk.read_block(1);
    EXPECT_TRUE(is_filled(*before, 'a'));
    const BlockBuffer next = filled('c');
    ASSERT_TRUE(disk.write_block(1, next));
    EXPECT_TRUE(is_filled(*before, 'a'));
    EXPECT_TRUE(is_filled(*disk.read_block(1), 'c'));
    EXPECT_TRUE(is_filled(*disk.read_block(2), 'b'));
    EXPECT_EQ(StorageError::out_of_range, disk.write_shared(3, written).error());
}

TEST(MemoryDisk, SaysWhereItHoldsSomething) {
    MemoryDisk disk(5000);
    EXPECT_EQ(5000u, *disk.next_data(0));
    ASSERT_TRUE(disk.write_block(1030, filled('a')));
    EXPECT_EQ(1030u, *disk.next_data(0));
    EXPECT_EQ(1030u, *disk.next_data(1030));
    EXPECT_EQ(5000u, *disk.next_data(1031));
    EXPECT_EQ(5000u, *disk.next_data(5000));
}

TEST(FileDisk, BehavesAsADiskAndKeepsItsContent) {
    TemporaryDirectory directory;
    const std::string path = directory.file("disk");
    {
        auto disk = FileDisk::open(path, 16 * block_size_bytes);
        ASSERT_TRUE(disk) << disk.error().message;
        EXPECT_EQ(16u, (*disk)->size_blocks());
        expect_behaves_as_a_disk(**disk);
    }
    auto again = FileDisk::open(path, std::nullopt);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(16u, (*again)->size_blocks());
    EXPECT_TRUE(is_filled(*(*again)->read_block(4), 'b'));
}

TEST(FileDisk, MoreBlocksThanTheKernelTakesAtOnceAreMoved) {
    TemporaryDirectory directory;
    auto disk = FileDisk::open(directory.file("disk"), 4096 * block_size_bytes);
    ASSERT_TRUE(disk);
    std::vector<BlockBuffer> buffers;
    std::vector<const std::byte*> pieces;
    for (int i = 0; i < 3000; ++i) {
        buffers.push_back(filled(static_cast<char>(i)));
        pieces.push_back(buffers.back().data());
    }
    ASSERT_TRUE((*disk)->write(7, pieces));
    for (int i = 0; i < 3000; i += 97) EXPECT_TRUE(is_filled(*(*disk)->read_block(7 + i), static_cast<char>(i)));
}

TEST(FileDisk, ASecondUserIsTurnedAway) {
    TemporaryDirectory directory;
    auto first = FileDisk::open(directory.file("disk"), block_size_bytes);
    ASSERT_TRUE(first);
    auto second = FileDisk::open(directory.file("disk"), block_size_bytes);
    ASSERT_FALSE(second);
    EXPECT_EQ(StorageError::busy, second.error().code);
}

TEST(FileDisk, ASizeThatDiffersIsRefusedAndNothingChanges) {
    TemporaryDirectory directory;
    const std::string path = directory.file("disk");
    ASSERT_TRUE(FileDisk::open(path, 4 * block_size_bytes));
    auto larger = FileDisk::open(path, 8 * block_size_bytes);
    ASSERT_FALSE(larger);
    EXPECT_EQ(StorageError::bad_argument, larger.error().code);
    EXPECT_NE(std::string::npos, larger.error().message.find("16384"));
    EXPECT_EQ(4u * block_size_bytes, fs::file_size(path));
}

TEST(FileDisk, AMissingFileIsOnlyCreatedWithASize) {
    TemporaryDirectory directory;
    const std::string path = directory.file("disk");
    auto disk = FileDisk::open(path, std::nullopt);
    ASSERT_FALSE(disk);
    EXPECT_NE(std::string::npos, disk.error().message.find("give a size"));
    EXPECT_FALSE(fs::exists(path));
}

TEST(FileDisk, WhatIsNeitherFileNorDeviceIsRefused) {
    TemporaryDirectory directory;
    EXPECT_FALSE(FileDisk::open(directory.file(""), std::nullopt));
    EXPECT_FALSE(FileDisk::open("/dev/null", std::nullopt));
    std::ofstream(directory.file("short")) << "short";
    EXPECT_FALSE(FileDisk::open(directory.file("short"), std::nullopt));
}

TEST(DiskSpec, IsUnderstood) {
    const auto memory = parse_disk_spec("memory:64M");
    ASSERT_TRUE(memory);
    EXPECT_EQ(DiskSpec::Kind::memory, memory->kind);
    EXPECT_EQ(uint64_t{64} << 20, memory->size_bytes);
    const auto file = parse_disk_spec("file:/srv/a:b:1G");
    ASSERT_TRUE(file);
    EXPECT_EQ("/srv/a:b", file->path);
    EXPECT_EQ(uint64_t{1} << 30, file->size_bytes);
    const auto found = parse_disk_spec("file:/srv/a:b");
    ASSERT_TRUE(found);
    EXPECT_EQ("/srv/a:b", found->path);
    EXPECT_FALSE(found->size_bytes);
}

TEST(DiskSpec, WhatIsWrongIsSaidWithAnExample) {
    for (const char* text : {"", "memory", "memory:", "memory:0", "memory:4095", "memory:12Q", "memory:99999999T",
                             "file:", "file::1G", "file:/x:0", "file:/x:1000", "tape:/dev/st0", "memory:-1"}) {
        const auto spec = parse_disk_spec(text);
        ASSERT_FALSE(spec) << text;
        EXPECT_EQ(StorageError::bad_argument, spec.error().code);
        EXPECT_NE(std::string::npos, spec.error().message.find("memory:64M")) << spec.error().message;
    }
}

TEST(DiskSpec, OpensWhatItSays) {
    auto disk = open_disk("memory:1M");
    ASSERT_TRUE(disk);
    EXPECT_EQ(256u, (*disk)->size_blocks());
}

TEST(FaultyDisk, FailsFromTheOperationThatWasSaid) {
    MemoryDisk inner(8);
    FaultyDisk disk(inner);
    disk.fail_after(FaultyDisk::Operation::write, 1);
    EXPECT_TRUE(disk.write_block(0, filled('a')));
    EXPECT_EQ(StorageError::io, disk.write_block(0, filled('b')).error());
    EXPECT_EQ(StorageError::io, disk.write_block(0, filled('b')).error());
    EXPECT_TRUE(disk.barrier());
    EXPECT_TRUE(is_filled(*disk.read_block(0), 'a'));
    disk.repair();
    EXPECT_TRUE(disk.write_block(0, filled('b')));
}

// The states of a crash at `point`, by the first bytes of blocks 0 and 1.
std::set<std::string> states_at(const RecordingDisk& recording, size_t point, const CrashBounds& bounds) {
    std::set<std::string> states;
    CrashStates(recording).visit(point, bounds, 1, [&](ImageDisk& state) {
        std::string text;
        for (uint64_t block : {0, 1}) text += static_cast<char>(state.block(block).data()[0]);
        states.insert(text);
    });
    return states;
}

TEST(CrashStates, ABarrierMakesWhatWasBeforeItDurableAndTheRestIsAnySubset) {
    ImageDisk initial(2);
    initial.put(0, filled('-'));
    initial.put(1, filled('-'));
    RecordingDisk disk(initial);
    ASSERT_TRUE(disk.write_block(0, filled('a')));
    ASSERT_TRUE(disk.barrier());
    ASSERT_TRUE(disk.write_block(1, filled('b')));
    ASSERT_TRUE(disk.write_block(0, filled('c')));
    const CrashBounds whole{.sampled_torn = 0};
    EXPECT_EQ((std::set<std::string>{"--"}), states_at(disk, 0, whole));
    EXPECT_EQ((std::set<std::string>{"--", "a-"}), states_at(disk, 1, whole));
    EXPECT_EQ((std::set<std::string>{"--", "a-"}), states_at(disk, 2, whole)) << "the barrier has not ended";
    EXPECT_EQ((std::set<std::string>{"a-"}), states_at(disk, 3, whole));
    EXPECT_EQ((std::set<std::string>{"a-", "ab", "c-", "cb"}), states_at(disk, 5, whole));
}

TEST(CrashStates, TornWritesMixOldAndNewSectors) {
    ImageDisk initial(2);
    initial.put(0, filled('-'));
    RecordingDisk disk(initial);
    ASSERT_TRUE(disk.write_block(0, filled('a')));
    bool mixed = false;
    CrashStates(disk).visit(1, {.sampled_torn = 16}, 7, [&](ImageDisk& state) {
        const BlockBuffer block = state.block(0);
        for (uint32_t at = 0; at < block_size_bytes; at += sector_size_bytes) {
            const auto sector = block.span().subspan(at, sector_size_bytes);
            for (const std::byte byte : sector) ASSERT_EQ(sector.front(), byte) << "a sector is whole";
            mixed = mixed || sector.front() != block.data()[0];
        }
    });
    EXPECT_TRUE(mixed);
}

}  // namespace
}  // namespace lockstep::server::disk
