// Blocks come from slabs of 2 MiB that are never given back: huge pages where the system has them, with one fault, and
// one look-up when they are handed to the device, instead of 512. Free blocks wait in a few lists, each with its own
// lock, so that threads seldom meet. One thread may take what another gives back (a worker changes a block that the
// installer then lets go), so a thread whose list is empty takes from the others before it asks the system: the pool
// holds what was in use at most at one time, and a slab or two for each list.
#include "nfs_server/disk/block_buffer.hpp"

#include <sys/mman.h>

#include <array>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>

#include "nfs_server/base/check.hpp"

namespace lockstep::server {

class BlockPool {
 public:
    using Control = BlockBuffer::Control;

    // Lives as long as the process: buffers may outlive every static object.
    static BlockPool& instance() {
        static auto* pool = new BlockPool;
        return *pool;
    }

    Control* take() {
        FreeList& own = own_list();
        Control* control = take_from(own, 1).first;
        if (control == nullptr) control = refill(own);
        control->references.store(1, std::memory_order_relaxed);
        return control;
    }

    void give(Control* control) { give_all(own_list(), {control, control}); }

    uint64_t allocated_blocks() const { return slabs_.load(std::memory_order_relaxed) * slab_blocks; }

 private:
    static constexpr size_t slab_blocks = 512;
    static constexpr size_t slab_bytes = slab_blocks * block_size_bytes;
    static constexpr size_t lists_count = 8;

    struct alignas(64) FreeList {
        std::mutex mutex;
        Control* head = nullptr;
    };

    // Free blocks in a row; both null: none.
    struct Row {
        Control* first = nullptr;
        Control* last = nullptr;
    };

    FreeList& own_list() {
        static thread_local const size_t index = std::hash<std::thread::id>{}(std::this_thread::get_id()) % lists_count;
        return lists_[index];
    }

    // At most `limit` blocks.
    static Row take_from(FreeList& list, size_t limit) {
        std::lock_guard hold(list.mutex);
        Row row{list.head, list.head};
        if (row.first == nullptr) return row;
        while (--limit > 0 && row.last->next_free != nullptr) row.last = row.last->next_free;
        list.head = std::exchange(row.last->next_free, nullptr);
        return row;
    }

    static void give_all(FreeList& list, Row row) {
        std::lock_guard hold(list.mutex);
        row.last->next_free = std::exchange(list.head, row.first);
    }

    // One block; others that come with it are left in the list.
    Control* refill(FreeList& own) {
        Row row;
        for (size_t i = 0; i < lists_count && row.first == nullptr; ++i) row = take_from(lists_[i], slab_blocks);
        if (row.first == nullptr) row = new_slab();
        Control* control = row.first;
        if (control != row.last) give_all(own, {control->next_free, row.last});
        return control;
    }

    // Aligned to its size: twice as much address space, and what is not needed given back.
    static std::byte* map_slab() {
        void* memory = ::mmap(nullptr, 2 * slab_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        check(memory != MAP_FAILED, "no memory for block buffers");
        auto* const first = static_cast<std::byte*>(memory);
        const size_t before = -reinterpret_cast<uintptr_t>(first) % slab_bytes;
        if (before > 0) ::munmap(first, before);
        ::munmap(first + before + slab_bytes, slab_bytes - before);
        (void)::madvise(first + before, slab_bytes, MADV_HUGEPAGE);  // a wish
        return first + before;
    }

    Row new_slab() {
        std::byte* const memory = map_slab();
        auto* controls = new Control[slab_blocks];
        for (size_t i = 0; i < slab_blocks; ++i) {
            controls[i].bytes = memory + i * block_size_bytes;
            if (i > 0) controls[i - 1].next_free = &controls[i];
        }
        slabs_.fetch_add(1, std::memory_order_relaxed);
        return {controls, controls + slab_blocks - 1};
    }

    std::array<FreeList, lists_count> lists_;
    std::atomic<uint64_t> slabs_{0};
};

BlockBuffer BlockBuffer::uninitialised() {
    return BlockBuffer(BlockPool::instance().take());
}

BlockBuffer BlockBuffer::zeroed() {
    BlockBuffer buffer = uninitialised();
    std::memset(buffer.mutable_data(), 0, block_size_bytes);
    return buffer;
}

BlockBuffer BlockBuffer::copy_of(std::span<const std::byte> bytes) {
    check(bytes.size() <= block_size_bytes, "a block buffer holds one block");
    BlockBuffer buffer = uninitialised();
    if (!bytes.empty()) std::memcpy(buffer.mutable_data(), bytes.data(), bytes.size());
    std::memset(buffer.mutable_data() + bytes.size(), 0, block_size_bytes - bytes.size());
    return buffer;
}

uint64_t BlockBuffer::allocated_blocks() {
    return BlockPool::instance().allocated_blocks();
}

void BlockBuffer::make_unique() {
    if (unique()) return;
    BlockBuffer copy = uninitialised();
    std::memcpy(copy.mutable_data(), data(), block_size_bytes);
    *this = std::move(copy);
}

void BlockBuffer::release(Control* control) noexcept {
    if (control->references.fetch_sub(1, std::memory_order_acq_rel) == 1) BlockPool::instance().give(control);
}

}  // namespace lockstep::server
