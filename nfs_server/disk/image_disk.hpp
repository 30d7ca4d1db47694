// A disk for tests that is cheap to copy: copies share the blocks that neither has changed.
#pragma once

#include <mutex>
#include <vector>

#include "nfs_server/disk/disk.hpp"

namespace lockstep::server::disk {

/// Blocks that were never written read as zeros. Fires no tracepoints. Copy only while nobody writes.
class ImageDisk final : public Disk {
 public:
    explicit ImageDisk(uint64_t size_blocks) : blocks_(size_blocks) {}
    ImageDisk(const ImageDisk& other) : blocks_(other.blocks_) {}
    ImageDisk& operator=(const ImageDisk& other) {
        blocks_ = other.blocks_;
        return *this;
    }
    ~ImageDisk() override = default;

    Result<void, StorageError> read(uint64_t first_block, std::span<std::byte* const> blocks) override;
    Result<void, StorageError> write(uint64_t first_block, std::span<const std::byte* const> blocks) override;
    Result<void, StorageError> barrier() override { return {}; }
    uint64_t size_blocks() const override { return blocks_.size(); }

    /// A block as it is; shared, so it does not change any more.
    BlockBuffer block(uint64_t number) const;
    /// Puts a block without copying it.
    void put(uint64_t number, BlockBuffer content);
    /// Replaces the sectors of a block whose bits are set in `sectors` (bit 0: the first 512 bytes) by those of
    /// `content`.
    void put_sectors(uint64_t number, const BlockBuffer& content, uint8_t sectors);

 private:
    mutable std::mutex mutex_;
    std::vector<BlockBuffer> blocks_;  // empty: zeros
};

}  // namespace lockstep::server::disk
