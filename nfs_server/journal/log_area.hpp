// The log's part of the disk: a circle of blocks, addressed by positions that grow for ever.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "nfs_server/base/result.hpp"
#include "nfs_server/disk/disk.hpp"
#include "nfs_server/disk/storage_error.hpp"

namespace lockstep::server::journal {

/// Position p lies in disk block start + p % size. The disk must outlive it. Any thread may call any member.
class LogArea {
 public:
    LogArea(disk::Disk& disk, uint64_t start_block, uint64_t size_blocks)
        : disk_(disk), start_block_(start_block), size_blocks_(size_blocks) {}

    /// Reads or writes blocks.size() (at most size_blocks()) blocks from `position` on, past the end of the circle if
    /// need be. Errors: io.
    Result<void, StorageError> read(uint64_t position, std::span<std::byte* const> blocks) {
        return in_two(position, blocks, [this](uint64_t block, auto part) { return disk_.read(block, part); });
    }
    Result<void, StorageError> write(uint64_t position, std::span<const std::byte* const> blocks) {
        return in_two(position, blocks, [this](uint64_t block, auto part) { return disk_.write(block, part); });
    }

    uint64_t size_blocks() const { return size_blocks_; }

 private:
    template <class Byte, class Transfer>
    Result<void, StorageError> in_two(uint64_t position, std::span<Byte* const> blocks, Transfer&& transfer) {
        const uint64_t first = position % size_blocks_;
        const uint64_t until_end = std::min<uint64_t>(blocks.size(), size_blocks_ - first);
        LOCKSTEP_TRY(transfer(start_block_ + first, blocks.first(until_end)));
        if (until_end == blocks.size()) return {};
        return transfer(start_block_, blocks.subspan(until_end));
    }

    disk::Disk& disk_;
    uint64_t start_block_;
    uint64_t size_blocks_;
};

}  // namespace lockstep::server::journal
