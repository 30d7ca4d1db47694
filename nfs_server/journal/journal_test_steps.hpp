// Steps that the journal's tests share.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "nfs_server/disk/image_disk.hpp"
#include "nfs_server/journal/journal.hpp"

namespace lockstep::server::journal {

inline constexpr JournalOptions by_hand{.background = false};

inline std::unique_ptr<Journal> opened(disk::Disk& disk, const JournalOptions& options = by_hand) {
    auto journal = Journal::open(disk, options);
    if (!journal) {
        ADD_FAILURE() << journal.error().message;
        return nullptr;
    }
    return std::move(*journal);
}

inline disk::ImageDisk formatted(uint64_t blocks, uint64_t log_blocks) {
    disk::ImageDisk image(blocks);
    EXPECT_TRUE(Journal::format(image, {.log_blocks = log_blocks}));
    return image;
}

// One commit that writes `value` to the first 8 bytes of a block.
inline Result<Sequence, StorageError> put(Journal& journal, uint64_t block, uint64_t value) {
    ChangeSet changes;
    LOCKSTEP_TRY(PinnedBlock pinned, journal.cache().pin(block));
    const size_t index = changes.add(std::move(pinned));
    changes.write_bytes(index, 0, std::as_bytes(std::span(&value, 1)));
    return journal.commit(changes, 1, 1);
}

inline Result<Sequence, StorageError> put_blocks(Journal& journal, uint64_t first_block, uint64_t count, char fill) {
    ChangeSet changes;
    for (uint64_t block = first_block; block < first_block + count; ++block) {
        LOCKSTEP_TRY(PinnedBlock pinned, journal.cache().pin_unread(block));
        BlockBuffer content = BlockBuffer::uninitialised();
        std::memset(content.mutable_data(), fill, block_size_bytes);
        changes.replace(changes.add(std::move(pinned)), std::move(content));
    }
    return journal.commit(changes, 1, 1);
}

inline uint64_t get(Journal& journal, uint64_t block) {
    uint64_t value = 0;
    EXPECT_TRUE(journal.cache().read(block, 0, std::as_writable_bytes(std::span(&value, 1))));
    return value;
}

inline void flip_bit(disk::ImageDisk& image, uint64_t block, uint32_t byte) {
    BlockBuffer content = image.block(block);
    content.make_unique();
    content.mutable_data()[byte] ^= std::byte{4};
    image.put(block, content);
}

}  // namespace lockstep::server::journal
