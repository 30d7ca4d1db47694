// A disk in memory: gone with the process. Where nothing was ever written it takes no memory (in
// units of the system's huge pages) and reads as zeros.
#pragma once

#include <atomic>

#include "nfs_server/disk/disk.hpp"

namespace lockstep::server::disk {

class MemoryDisk final : public Disk {
 public:
    /// Takes address space for `size_blocks` blocks, memory only as they are written. No address space ends the
    /// process.
    explicit MemoryDisk(uint64_t size_blocks);
    ~MemoryDisk() override;
    MemoryDisk(const MemoryDisk&) = delete;
    MemoryDisk& operator=(const MemoryDisk&) = delete;

    Result<void, StorageError> read(uint64_t first_block, std::span<std::byte* const> blocks) override;
    Result<void, StorageError> write(uint64_t first_block, std::span<const std::byte* const> blocks) override;
    /// Costs nothing: there is nothing that survives a crash.
    Result<void, StorageError> barrier() override;
    uint64_t size_blocks() const override { return size_blocks_; }
    Result<uint64_t, StorageError> next_data(uint64_t from) override { return written_ ? from : size_blocks_; }

 private:
    uint64_t size_blocks_;
    std::byte* memory_;
    std::atomic<bool> written_{false};
    std::atomic<uint64_t> barriers_count_{0};
};

}  // namespace lockstep::server::disk
