// Block devices. The lowest layer of storage: what it promises is little, as real disks promise little.
//
//   write    hands blocks to the device. Until a barrier that begins later has ended, a crash may leave any subset of
//            them, and of each block any subset of its 512-byte sectors.
//   barrier  returns when everything written before it began is on stable storage.
//
// Errors are values. After an error of write or barrier the content of the blocks concerned is unknown.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "nfs_server/base/result.hpp"
#include "nfs_server/disk/block_buffer.hpp"
#include "nfs_server/disk/storage_error.hpp"

namespace lockstep::server::disk {

/// The unit that a device writes whole or not at all.
inline constexpr uint32_t sector_size_bytes = 512;

/// A device of blocks of 4096 bytes, numbered from 0. Any thread may call any member; two calls that touch the same
/// block at the same time, one of them a write, are a mistake of the caller.
class Disk {
 public:
    virtual ~Disk() = default;

    /// Reads blocks.size() blocks from first_block on, each into 4096 bytes of its own, aligned to 4096.
    /// Errors: io, out_of_range.
    [[nodiscard]] virtual Result<void, StorageError> read(uint64_t first_block, std::span<std::byte* const> blocks) = 0;

    /// Writes blocks.size() blocks from first_block on, gathered from 4096 bytes each, aligned to 4096; the memory must
    /// not change until it returns. Errors: io, out_of_range.
    [[nodiscard]] virtual Result<void, StorageError> write(uint64_t first_block,
                                                           std::span<const std::byte* const> blocks) = 0;

    /// The same, from buffers that nobody changes while others hold them: a device in memory keeps them, uncopied.
    [[nodiscard]] virtual Result<void, StorageError> write_shared(uint64_t first_block,
                                                                  std::span<const BlockBuffer> blocks);

    /// Returns when all writes that had returned before the call are on stable storage. Errors: io.
    [[nodiscard]] virtual Result<void, StorageError> barrier() = 0;

    virtual uint64_t size_blocks() const = 0;

    /// The first block from `from` on that may hold something but zeros; size_blocks(): none does. What the device
    /// can't tell without reading it says may hold something. Errors: io.
    [[nodiscard]] virtual Result<uint64_t, StorageError> next_data(uint64_t from) { return from; }

    /// One block, as a buffer that may be shared with the device. Errors: io, out_of_range.
    [[nodiscard]] virtual Result<BlockBuffer, StorageError> read_block(uint64_t block);

    /// One block. Errors: io, out_of_range.
    [[nodiscard]] Result<void, StorageError> write_block(uint64_t block, const BlockBuffer& buffer);

    /// `tell` is called once, by whatever thread meets it, when the device fails: with what the system said. Set before
    /// others use the disk.
    void when_failed(std::function<void(const std::string& what)> tell) { tell_ = std::move(tell); }
    /// True from the first failure on.
    bool has_failed() const { return has_failed_.load(std::memory_order_relaxed); }

 protected:
    /// For who implements a device: it has failed.
    void note_failure(const std::string& what);

    /// True when the blocks exist.
    bool has(uint64_t first_block, size_t count) const {
        return first_block <= size_blocks() && count <= size_blocks() - first_block;
    }

 private:
    std::function<void(const std::string&)> tell_;
    std::atomic<bool> has_failed_{false};
};

}  // namespace lockstep::server::disk
