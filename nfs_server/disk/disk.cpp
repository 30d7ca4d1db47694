#include "nfs_server/disk/disk.hpp"

namespace lockstep::server::disk {

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

}  // namespace lockstep::server::disk
