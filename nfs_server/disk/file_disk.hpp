// A disk in a file or on a block device, past the page cache (O_DIRECT) where the file system allows it; a barrier is
// fdatasync. The file is locked against a second server for as long as it is open.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "nfs_server/disk/disk.hpp"

namespace lockstep::server::disk {

class FileDisk final : public Disk {
 public:
    /// Opens `path`. With size_bytes (a multiple of 4096, at least one block): a file that is missing is created,
    /// sparse (and its directory entry made durable); one that exists must have that size. Without: the file must
    /// exist, and its size is found, rounded down to blocks. Errors: busy (a second server), bad_argument (missing, not
    /// a file or device, a size that differs), io. Nothing was changed on disk then.
    [[nodiscard]] static Result<std::unique_ptr<FileDisk>, StorageFailure> open(const std::string& path,
                                                                                std::optional<uint64_t> size_bytes);
    ~FileDisk() override;
    FileDisk(const FileDisk&) = delete;
    FileDisk& operator=(const FileDisk&) = delete;

    Result<void, StorageError> read(uint64_t first_block, std::span<std::byte* const> blocks) override;
    Result<void, StorageError> write(uint64_t first_block, std::span<const std::byte* const> blocks) override;
    /// After one that failed, all fail: nothing is known of what was written before.
    Result<void, StorageError> barrier() override;
    uint64_t size_blocks() const override { return size_blocks_; }
    /// Passes over the holes of a sparse file.
    Result<uint64_t, StorageError> next_data(uint64_t from) override;

    /// True when the page cache is passed by.
    bool direct() const { return direct_; }

 private:
    FileDisk(int file, uint64_t size_blocks, bool direct) : file_(file), size_blocks_(size_blocks), direct_(direct) {}
    // Tells what the system said of it.
    tl::unexpected<StorageError> failing(const char* doing);

    int file_;
    uint64_t size_blocks_;
    bool direct_;
    std::mutex barrier_mutex_;  // without O_DIRECT: one fdatasync at a time, or another one could be told of our error
    std::atomic<uint64_t> barriers_count_{0};
    std::atomic<bool> barrier_has_failed_{false};
};

}  // namespace lockstep::server::disk
