// An image file or block device that is looked at and never changed: what is written to it stays in memory. So a log
// can be replayed, in memory only. Layer: image.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "nfs_server/disk/disk.hpp"

namespace lockstep::server::image {

/// Opened for reading only. Any thread may call any member.
class ImageFile final : public disk::Disk {
 public:
    /// Errors: bad_argument (missing, neither file nor device, smaller than a block), busy (a server uses it), io.
    [[nodiscard]] static Result<std::unique_ptr<ImageFile>, StorageFailure> open(const std::string& path);
    ~ImageFile() override;
    ImageFile(const ImageFile&) = delete;
    ImageFile& operator=(const ImageFile&) = delete;

    Result<void, StorageError> read(uint64_t first_block, std::span<std::byte* const> blocks) override;
    Result<void, StorageError> write(uint64_t first_block, std::span<const std::byte* const> blocks) override;
    Result<void, StorageError> barrier() override { return {}; }
    uint64_t size_blocks() const override { return size_blocks_; }

 private:
    ImageFile(int file, uint64_t size_blocks) : file_(file), size_blocks_(size_blocks) {}

    int file_;
    uint64_t size_blocks_;
    std::mutex mutex_;
    std::map<uint64_t, BlockBuffer> written_;
};

}  // namespace lockstep::server::image
