#include "nfs_server/disk/blank.hpp"

#include <gtest/gtest.h>

#include "nfs_server/disk/faulty_disk.hpp"
#include "nfs_server/disk/image_disk.hpp"
#include "nfs_server/disk/memory_disk.hpp"

namespace lockstep::server::disk {
namespace {

constexpr uint64_t size_blocks = 1000;

BlockBuffer zeros_but(size_t offset) {
    BlockBuffer content = BlockBuffer::zeroed();
    content.mutable_data()[offset] = std::byte{1};
    return content;
}

TEST(Blank, ADeviceOfZerosIsBlankWhetherItWasWrittenOrNot) {
    MemoryDisk disk(size_blocks);
    EXPECT_TRUE(expect_blank(disk));
    ASSERT_TRUE(disk.write_block(3, BlockBuffer::zeroed()));
    EXPECT_TRUE(expect_blank(disk));
}

TEST(Blank, OneByteAnywhereIsFoundAndNamed) {
    for (const uint64_t block : {uint64_t{0}, uint64_t{255}, uint64_t{256}, uint64_t{511}, size_blocks - 1}) {
        for (const size_t offset : {size_t{0}, size_t{block_size_bytes - 1}}) {
            MemoryDisk disk(size_blocks);
            ASSERT_TRUE(disk.write_block(block, zeros_but(offset)));
            const auto found = expect_blank(disk);
            ASSERT_FALSE(found);
            EXPECT_EQ(found.error().code, StorageError::unknown_format);
            const std::string place = "byte " + std::to_string(block * block_size_bytes + offset) + ";";
            EXPECT_NE(found.error().message.find(place), std::string::npos) << found.error().message;
        }
    }
}

TEST(Blank, WhatCanNotBeSeenIsNotCalledBlank) {
    ImageDisk disk(size_blocks);
    EXPECT_TRUE(expect_blank(disk, size_blocks));
    const auto found = expect_blank(disk, size_blocks - 1);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, StorageError::too_large);
}

TEST(Blank, AReadThatFailsIsAnError) {
    ImageDisk disk(size_blocks);
    FaultyDisk faulty(disk);
    faulty.fail_after(FaultyDisk::Operation::read, 1);
    const auto found = expect_blank(faulty);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, StorageError::io);
}

}  // namespace
}  // namespace lockstep::server::disk
