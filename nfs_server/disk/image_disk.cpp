#include "nfs_server/disk/image_disk.hpp"

#include <cstring>

namespace lockstep::server::disk {

Result<void, StorageError> ImageDisk::read(uint64_t first_block, std::span<std::byte* const> blocks) {
    if (!has(first_block, blocks.size())) return fail(StorageError::out_of_range);
    std::lock_guard hold(mutex_);
    for (size_t i = 0; i < blocks.size(); ++i) {
        const BlockBuffer& content = blocks_[first_block + i];
        if (content)
            std::memcpy(blocks[i], content.data(), block_size_bytes);
        else
            std::memset(blocks[i], 0, block_size_bytes);
    }
    return {};
}

Result<void, StorageError> ImageDisk::write(uint64_t first_block, std::span<const std::byte* const> blocks) {
    if (!has(first_block, blocks.size())) return fail(StorageError::out_of_range);
    std::lock_guard hold(mutex_);
    for (size_t i = 0; i < blocks.size(); ++i)
        blocks_[first_block + i] = BlockBuffer::copy_of({blocks[i], block_size_bytes});
    return {};
}

BlockBuffer ImageDisk::block(uint64_t number) const {
    std::lock_guard hold(mutex_);
    return blocks_[number] ? blocks_[number] : BlockBuffer::zeroed();
}

void ImageDisk::put(uint64_t number, BlockBuffer content) {
    std::lock_guard hold(mutex_);
    blocks_[number] = std::move(content);
}

void ImageDisk::put_sectors(uint64_t number, const BlockBuffer& content, uint8_t sectors) {
    BlockBuffer torn = block(number);
    torn.make_unique();
    for (uint32_t sector = 0; sector < block_size_bytes / sector_size_bytes; ++sector) {
        if ((sectors >> sector & 1) == 0) continue;
        const uint32_t offset = sector * sector_size_bytes;
        std::memcpy(torn.mutable_data() + offset, content.data() + offset, sector_size_bytes);
    }
    put(number, std::move(torn));
}

}  // namespace lockstep::server::disk
