#include "nfs_server/disk/memory_disk.hpp"

#include <sys/mman.h>

#include <cstring>

#include "nfs_server/base/check.hpp"
#include "tracepoints/disk.tp"

namespace lockstep::server::disk {

MemoryDisk::MemoryDisk(uint64_t size_blocks) : size_blocks_(size_blocks) {
    check(size_blocks > 0, "a disk has at least one block");
    void* memory = ::mmap(nullptr, size_blocks * block_size_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(memory != MAP_FAILED, "no address space for a disk in memory of this size");
    memory_ = static_cast<std::byte*>(memory);
    (void)::madvise(memory, size_blocks * block_size_bytes, MADV_HUGEPAGE);  // a wish: fewer faults
}

MemoryDisk::~MemoryDisk() {
    ::munmap(memory_, size_blocks_ * block_size_bytes);
}

Result<void, StorageError> MemoryDisk::read(uint64_t first_block, std::span<std::byte* const> blocks) {
    if (!has(first_block, blocks.size())) return fail(StorageError::out_of_range);
    const std::byte* from = memory_ + first_block * block_size_bytes;
    for (std::byte* block : blocks) {
        std::memcpy(block, from, block_size_bytes);
        from += block_size_bytes;
    }
    lttng_ust_tracepoint(disk, read, first_block, static_cast<uint32_t>(blocks.size()));
    return {};
}

Result<void, StorageError> MemoryDisk::write(uint64_t first_block, std::span<const std::byte* const> blocks) {
    if (!has(first_block, blocks.size())) return fail(StorageError::out_of_range);
    written_ = true;
    std::byte* to = memory_ + first_block * block_size_bytes;
    for (const std::byte* block : blocks) {
        std::memcpy(to, block, block_size_bytes);
        to += block_size_bytes;
    }
    lttng_ust_tracepoint(disk, written, first_block, static_cast<uint32_t>(blocks.size()));
    return {};
}

Result<void, StorageError> MemoryDisk::barrier() {
    [[maybe_unused]] uint64_t barrier_id = barriers_count_.fetch_add(1, std::memory_order_relaxed) + 1;
    lttng_ust_tracepoint(disk, barrier_began, barrier_id);
    lttng_ust_tracepoint(disk, barrier_ended, barrier_id);
    return {};
}

}  // namespace lockstep::server::disk
