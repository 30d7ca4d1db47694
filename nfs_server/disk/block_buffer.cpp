// Blocks come from slabs of 256 that are never given back: memory in use is bounded by what the caches above are
// allowed to hold. Free blocks wait in a few lists, each with its own lock, so that threads seldom meet.
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
        FreeList& list = own_list();
        std::lock_guard hold(list.mutex);
        if (list.head == nullptr) grow(list);
        Control* control = std::exchange(list.head, list.head->next_free);
        control->references.store(1, std::memory_order_relaxed);
        return control;
    }

    void give(Control* control) {
        FreeList& list = own_list();
        std::lock_guard hold(list.mutex);
        control->next_free = std::exchange(list.head, control);
    }

 private:
    static constexpr size_t slab_blocks = 256;
    static constexpr size_t lists_count = 8;

    struct alignas(64) FreeList {
        std::mutex mutex;
        Control* head = nullptr;
    };

    FreeList& own_list() {
        static thread_local const size_t index = std::hash<std::thread::id>{}(std::this_thread::get_id()) % lists_count;
        return lists_[index];
    }

    // Under list.mutex.
    static void grow(FreeList& list) {
        void* memory =
            ::mmap(nullptr, slab_blocks * block_size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        check(memory != MAP_FAILED, "no memory for block buffers");
        auto* controls = new Control[slab_blocks];
        for (size_t i = 0; i < slab_blocks; ++i) {
            controls[i].bytes = static_cast<std::byte*>(memory) + i * block_size_bytes;
            controls[i].next_free = std::exchange(list.head, &controls[i]);
        }
    }

    std::array<FreeList, lists_count> lists_;
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
