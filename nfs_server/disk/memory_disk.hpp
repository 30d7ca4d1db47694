// A disk in memory: gone with the process. Where nothing was ever written it takes no memory and reads as zeros.
//
// It holds blocks as buffers, which it shares with whoever wrote or reads them: between the cache and this disk no
// block is copied, and a block that both hold is in memory once.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "nfs_server/disk/disk.hpp"

namespace lockstep::server::disk {

class MemoryDisk final : public Disk {
 public:
    explicit MemoryDisk(uint64_t size_blocks);
    ~MemoryDisk() override;
    MemoryDisk(const MemoryDisk&) = delete;
    MemoryDisk& operator=(const MemoryDisk&) = delete;

    Result<void, StorageError> read(uint64_t first_block, std::span<std::byte* const> blocks) override;
    Result<void, StorageError> write(uint64_t first_block, std::span<const std::byte* const> blocks) override;
    Result<void, StorageError> write_shared(uint64_t first_block, std::span<const BlockBuffer> blocks) override;
    Result<BlockBuffer, StorageError> read_block(uint64_t block) override;
    /// Costs nothing: there is nothing that survives a crash.
    Result<void, StorageError> barrier() override;
    uint64_t size_blocks() const override { return size_blocks_; }
    Result<uint64_t, StorageError> next_data(uint64_t from) override;

 private:
    // Neighbours; those that were never written are empty. Different blocks may be used by different threads.
    static constexpr uint64_t neighbours_count = 512;
    using Neighbours = std::array<BlockBuffer, neighbours_count>;

    const BlockBuffer* find(uint64_t block) const;
    BlockBuffer& place_of(uint64_t block);

    uint64_t size_blocks_;
    std::vector<std::atomic<Neighbours*>> parts_;  // owned; none where nothing was ever written
    std::atomic<uint64_t> barriers_count_{0};
};

}  // namespace lockstep::server::disk
