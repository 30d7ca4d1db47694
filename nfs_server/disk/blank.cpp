#include "nfs_server/disk/blank.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace lockstep::server::disk {
namespace {

constexpr uint64_t chunk_blocks = 256;

// Blocks that are read together, again and again.
class Chunk {
 public:
    Chunk() {
        for (uint64_t i = 0; i < chunk_blocks; ++i) {
            buffers_.push_back(BlockBuffer::uninitialised());
            pieces_.push_back(buffers_.back().mutable_data());
        }
    }

    // The offset in bytes of the first byte of these blocks that is not zero, their size if there is none.
    Result<uint64_t, StorageError> first_nonzero(Disk& disk, uint64_t first_block, uint64_t count) {
        LOCKSTEP_TRY(disk.read(first_block, std::span(pieces_).first(count)));
        for (uint64_t i = 0; i < count; ++i) {
            const auto bytes = buffers_[i].span();
            const auto found = std::ranges::find_if(bytes, [](std::byte byte) { return byte != std::byte{0}; });
            if (found != bytes.end())
                return i * block_size_bytes + static_cast<uint64_t>(std::distance(bytes.begin(), found));
        }
        return count * block_size_bytes;
    }

 private:
    std::vector<BlockBuffer> buffers_;
    std::vector<std::byte*> pieces_;
};

tl::unexpected<StorageFailure> unreadable(StorageError error) {
    return fail(StorageFailure{error, "the disk can't be read: " + std::string(to_string(error))});
}

}  // namespace

Result<void, StorageFailure> expect_blank(Disk& disk, uint64_t limit_blocks) {
    Chunk chunk;
    uint64_t read_blocks = 0;
    for (uint64_t block = 0; block < disk.size_blocks();) {
        const auto next = disk.next_data(block);
        if (!next) return unreadable(next.error());
        block = *next;
        const uint64_t count = std::min(chunk_blocks, disk.size_blocks() - block);
        if (count == 0) break;
        if (read_blocks + count > limit_blocks)
            return fail(StorageFailure{StorageError::too_large,
                                       "the disk is not formatted, and is too large to see that nothing is on it: its "
                                       "first " +
                                           std::to_string(read_blocks * block_size_bytes >> 20) +
                                           " MiB of data are zeros; left unchanged"});
        const auto offset = chunk.first_nonzero(disk, block, count);
        if (!offset) return unreadable(offset.error());
        if (*offset < count * block_size_bytes)
            return fail(StorageFailure{StorageError::unknown_format,
                                       "the disk is not blank: something that is not ours is at byte " +
                                           std::to_string(block * block_size_bytes + *offset) + "; left unchanged"});
        read_blocks += count;
        block += count;
    }
    return {};
}

}  // namespace lockstep::server::disk
