// What a file disk makes of a system that fails, or does less than it was asked for. The system's calls are replaced by
// the functions at the end of this file, which do as a test says.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "nfs_server/disk/file_disk.hpp"

namespace lockstep::server::disk {
namespace {

// Each is asked with the number of the call, from 0 on, since it was set; 0: the call may go on to the system.
// Else: what it returns, as the system does; a negative number is an error.
using Answer = std::function<ssize_t(uint64_t call)>;

struct System {
    Answer barrier, write, read;
    std::atomic<uint64_t> barriers{0}, writes{0}, reads{0};
};
System* replaced = nullptr;

// A disk in a file of its own, whose system is replaced while this lives.
class TestDisk {
 public:
    TestDisk() : path_((std::filesystem::temp_directory_path() / "lockstep-disk-fault-XXXXXX").string()) {
        const int file = ::mkstemp(path_.data());
        EXPECT_EQ(0, ::ftruncate(file, 64 * block_size_bytes));
        ::close(file);
        disk_ = std::move(*FileDisk::open(path_, std::nullopt));
        replaced = &system;
    }
    ~TestDisk() {
        replaced = nullptr;
        std::filesystem::remove(path_);
    }
    FileDisk& operator*() { return *disk_; }
    FileDisk* operator->() { return disk_.get(); }

    System system;

 private:
    std::string path_;
    std::unique_ptr<FileDisk> disk_;
};

std::vector<BlockBuffer> numbered(size_t count) {
    std::vector<BlockBuffer> blocks;
    for (size_t i = 0; i < count; ++i)
        std::memset(blocks.emplace_back(BlockBuffer::uninitialised()).mutable_data(), static_cast<int>(i + 1),
                    block_size_bytes);
    return blocks;
}

TEST(FileDiskFault, AfterABarrierThatFailedNoOtherSucceeds) {
    TestDisk disk;
    disk.system.barrier = [](uint64_t call) { return call == 1 ? -EIO : 0; };
    EXPECT_TRUE(disk->barrier());
    EXPECT_FALSE(disk->barrier());
    EXPECT_FALSE(disk->barrier()) << "the kernel tells of the lost writes once";
}

// Of two that are under way the kernel tells one only, and both may have lost what they were to make stable.
TEST(FileDiskFault, ABarrierUnderWayFailsWithTheOther) {
    TestDisk disk;
    std::atomic<bool> other_has_failed = false;
    disk.system.barrier = [&](uint64_t call) -> ssize_t {
        if (call == 1) return -EIO;
        while (!other_has_failed) std::this_thread::yield();
        return 0;
    };
    if (!disk->direct()) other_has_failed = true;  // then they run one after the other
    std::thread first([&] { EXPECT_EQ(!disk->direct(), disk->barrier().has_value()); });
    while (disk.system.barriers == 0) std::this_thread::yield();
    EXPECT_FALSE(disk->barrier());
    other_has_failed = true;
    first.join();
}

TEST(FileDiskFault, WhatIsMovedInPartIsGoneOnWithFromAWholeBlock) {
    TestDisk disk;
    const std::vector<BlockBuffer> blocks = numbered(20);
    // Interrupted, then a block and a half, then all.
    const auto in_parts = [](uint64_t call) -> ssize_t {
        return call == 0 ? -EINTR : call == 1 ? ssize_t{block_size_bytes * 3 / 2} : 0;
    };
    disk.system.write = disk.system.read = in_parts;
    ASSERT_TRUE(disk->write_shared(7, blocks));
    EXPECT_EQ(3u, disk.system.writes);
    std::vector<BlockBuffer> found;
    std::vector<std::byte*> places;
    for (size_t i = 0; i < blocks.size(); ++i)
        places.push_back(found.emplace_back(BlockBuffer::uninitialised()).mutable_data());
    ASSERT_TRUE(disk->read(7, places));
    EXPECT_EQ(3u, disk.system.reads);
    for (size_t i = 0; i < blocks.size(); ++i)
        EXPECT_EQ(0, std::memcmp(blocks[i].data(), found[i].data(), block_size_bytes)) << i;
}

TEST(FileDiskFault, ADiskThatIsFullOrTakesLessThanABlockIsAnError) {
    for (const ssize_t answer : {ssize_t{-ENOSPC}, ssize_t{-EIO}, ssize_t{512}}) {
        TestDisk disk;
        disk.system.write = [answer](uint64_t) { return answer; };
        const auto done = disk->write_shared(0, numbered(3));
        ASSERT_FALSE(done) << answer;
        EXPECT_EQ(StorageError::io, done.error());
    }
}

// As much of the pieces as `most_bytes`.
std::vector<iovec> cut(const iovec* pieces, int count, size_t most_bytes) {
    std::vector<iovec> part;
    for (int i = 0; i < count && most_bytes > 0; ++i) {
        part.push_back({pieces[i].iov_base, std::min(pieces[i].iov_len, most_bytes)});
        most_bytes -= part.back().iov_len;
    }
    return part;
}

template <class Call>
ssize_t moved(const Answer& answer, std::atomic<uint64_t>& calls, const iovec* pieces, int count, Call&& call) {
    const ssize_t wanted = answer ? answer(calls++) : 0;
    if (wanted < 0) {
        errno = static_cast<int>(-wanted);
        return -1;
    }
    if (wanted == 0) return call(pieces, count);
    // A direct transfer must end on a block: the rest, which it claims to have moved, is not.
    const auto part = cut(pieces, count, static_cast<size_t>(wanted) / block_size_bytes * block_size_bytes);
    return call(part.data(), static_cast<int>(part.size())) < 0 ? -1 : wanted;
}

}  // namespace
}  // namespace lockstep::server::disk

using lockstep::server::disk::moved;
using lockstep::server::disk::replaced;

extern "C" int fdatasync(int file) {
    const ssize_t answer = replaced && replaced->barrier ? replaced->barrier(replaced->barriers++) : 0;
    if (answer == 0) return static_cast<int>(::syscall(SYS_fdatasync, file));
    errno = static_cast<int>(-answer);
    return -1;
}

extern "C" ssize_t pwritev(int file, const iovec* pieces, int count, off_t offset) {
    const auto call = [&](const iovec* some, int some_count) -> ssize_t {
        return ::syscall(SYS_pwritev, file, some, some_count, offset, 0);
    };
    return replaced ? moved(replaced->write, replaced->writes, pieces, count, call) : call(pieces, count);
}

extern "C" ssize_t preadv(int file, const iovec* pieces, int count, off_t offset) {
    const auto call = [&](const iovec* some, int some_count) -> ssize_t {
        return ::syscall(SYS_preadv, file, some, some_count, offset, 0);
    };
    return replaced ? moved(replaced->read, replaced->reads, pieces, count, call) : call(pieces, count);
}
