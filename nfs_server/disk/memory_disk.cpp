#include "nfs_server/disk/memory_disk.hpp"

#include <algorithm>
#include <cstring>

#include "nfs_server/base/check.hpp"
#include "tracepoints/disk.tp"

namespace lockstep::server::disk {

MemoryDisk::MemoryDisk(uint64_t size_blocks)
    : size_blocks_(size_blocks), parts_((size_blocks + neighbours_count - 1) / neighbours_count) {
    check(size_blocks > 0, "a disk has at least one block");
}

MemoryDisk::~MemoryDisk() {
    for (auto& part : parts_) delete part.load();
}

// nullptr, or an empty buffer: never written.
const BlockBuffer* MemoryDisk::find(uint64_t block) const {
    const Neighbours* part = parts_[block / neighbours_count].load(std::memory_order_acquire);
    return part == nullptr ? nullptr : &(*part)[block % neighbours_count];
}

BlockBuffer& MemoryDisk::place_of(uint64_t block) {
    auto& part = parts_[block / neighbours_count];
    Neighbours* found = part.load(std::memory_order_acquire);
    if (found == nullptr) {
        auto made = std::make_unique<Neighbours>();
        // Of two that make it at once, the second uses the first one's.
        if (part.compare_exchange_strong(found, made.get())) found = made.release();
    }
    return (*found)[block % neighbours_count];
}

Result<void, StorageError> MemoryDisk::read(uint64_t first_block, std::span<std::byte* const> blocks) {
    if (!has(first_block, blocks.size())) return fail(StorageError::out_of_range);
    for (size_t i = 0; i < blocks.size(); ++i) {
        const BlockBuffer* content = find(first_block + i);
        if (content != nullptr && *content)
            std::memcpy(blocks[i], content->data(), block_size_bytes);
        else
            std::memset(blocks[i], 0, block_size_bytes);
    }
    lttng_ust_tracepoint(disk, read, first_block, static_cast<uint32_t>(blocks.size()));
    return {};
}

Result<BlockBuffer, StorageError> MemoryDisk::read_block(uint64_t block) {
    if (!has(block, 1)) return fail(StorageError::out_of_range);
    const BlockBuffer* content = find(block);
    lttng_ust_tracepoint(disk, read, block, 1);
    return content != nullptr && *content ? BlockBuffer(*content) : BlockBuffer::zeroed();
}

Result<void, StorageError> MemoryDisk::write(uint64_t first_block, std::span<const std::byte* const> blocks) {
    if (!has(first_block, blocks.size())) return fail(StorageError::out_of_range);
    for (size_t i = 0; i < blocks.size(); ++i) {
        BlockBuffer& place = place_of(first_block + i);
        if (!place.unique()) place = BlockBuffer::uninitialised();
        std::memcpy(place.mutable_data(), blocks[i], block_size_bytes);
    }
    lttng_ust_tracepoint(disk, written, first_block, static_cast<uint32_t>(blocks.size()));
    return {};
}

Result<void, StorageError> MemoryDisk::write_shared(uint64_t first_block, std::span<const BlockBuffer> blocks) {
    if (!has(first_block, blocks.size())) return fail(StorageError::out_of_range);
    for (size_t i = 0; i < blocks.size(); ++i) place_of(first_block + i) = blocks[i];
    lttng_ust_tracepoint(disk, written, first_block, static_cast<uint32_t>(blocks.size()));
    return {};
}

Result<void, StorageError> MemoryDisk::barrier() {
    [[maybe_unused]] uint64_t barrier_id = barriers_count_.fetch_add(1, std::memory_order_relaxed) + 1;
    lttng_ust_tracepoint(disk, barrier_began, barrier_id);
    lttng_ust_tracepoint(disk, barrier_ended, barrier_id);
    return {};
}

Result<uint64_t, StorageError> MemoryDisk::next_data(uint64_t from) {
    for (uint64_t block = from; block < size_blocks_;) {
        if (parts_[block / neighbours_count].load(std::memory_order_acquire) == nullptr)
            block = (block / neighbours_count + 1) * neighbours_count;
        else if (*find(block))
            return block;
        else
            ++block;
    }
    return size_blocks_;
}

}  // namespace lockstep::server::disk
