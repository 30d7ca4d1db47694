#include "nfs_server/disk/disk.hpp"

#include <vector>

namespace lockstep::server::disk {

Result<void, StorageError> Disk::write_shared(uint64_t first_block, std::span<const BlockBuffer> blocks) {
    std::vector<const std::byte*> pieces;
    pieces.reserve(blocks.size());
    for (const BlockBuffer& block : blocks) pieces.push_back(block.data());
    return write(first_block, pieces);
}

Result<BlockBuffer, StorageError> Disk::read_block(uint64_t block) {
    BlockBuffer buffer = BlockBuffer::uninitialised();
    std::byte* const bytes = buffer.mutable_data();
    LOCKSTEP_TRY(read(block, {&bytes, 1}));
    return buffer;
}

Result<void, StorageError> Disk::write_block(uint64_t block, const BlockBuffer& buffer) {
    const std::byte* const bytes = buffer.data();
    return write(block, {&bytes, 1});
}

void Disk::note_failure(const std::string& what) {
    if (!has_failed_.exchange(true) && tell_) tell_(what);
}

}  // namespace lockstep::server::disk
