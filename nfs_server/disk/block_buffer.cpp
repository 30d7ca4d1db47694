// Blocks come from slabs of 2 MiB that are never given back: huge pages where the system has them, with one fault, and
// one look-up when they are handed to the device, instead of 512. A thread keeps a few free blocks at hand; the others
// wait in a few lists, each with its own lock, and come and go by the handful, so that threads seldom meet. One thread
// may take what another gives back (a worker changes a block that the installer then lets go), so a thread whose list
// is empty takes from the others before it asks the system: the pool holds what was in use at most at one time, a
// slab or two for each list, and what the threads keep at hand.
#include "nfs_server/disk/block_buffer.hpp"

#include <sys/mman.h>

#include <array>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>

#include "nfs_server/base/check.hpp"
#include "nfs_server/base/sanitizer.hpp"

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
        AtHand& hand = at_hand;
        if (hand.free.count == 0) fill(hand);
        Control* control = hand.free.pop();
        control->references.store(1, std::memory_order_relaxed);
        allow_use(control->bytes, block_size_bytes);
        return control;
    }

    void give(Control* control) {
        forbid_use(control->bytes, block_size_bytes);
        AtHand& hand = at_hand;
        if (hand.free.count == 0) prepare_farewell(hand);
        hand.free.push(control);
        if (hand.free.count > (hand.has_ended ? 0 : at_hand_limit)) empty(hand, handful);
    }

    uint64_t allocated_blocks() const { return slabs_.load(std::memory_order_relaxed) * slab_blocks; }

 private:
    static constexpr size_t slab_blocks = 512;
    static constexpr size_t slab_bytes = slab_blocks * block_size_bytes;
    static constexpr size_t lists_count = 8;

    struct alignas(64) FreeList {
        std::mutex mutex;
        Control* head = nullptr;
    };

    // Free blocks in a row.
    struct Row {
        Control* first = nullptr;
        size_t count = 0;

        void push(Control* control) {
            control->next_free = std::exchange(first, control);
            ++count;
        }
        Control* pop() {
            --count;
            return std::exchange(first, first->next_free);
        }
        // At most `limit` blocks, taken from the front of those that begin with `head`.
        static Row cut_off(Control*& head, size_t limit) {
            Row row{head, 0};
            Control* last = nullptr;
            for (; row.count < limit && head != nullptr; ++row.count) head = (last = head)->next_free;
            if (last != nullptr) last->next_free = nullptr;
            return row;
        }
    };

    // What one thread keeps. Outlives the thread's other objects: they may give blocks back when it ends.
    struct AtHand {
        Row free;
        bool has_ended = false;  // nothing is kept any more
    };
    // Gives back what its thread keeps when that ends.
    struct Farewell {
        ~Farewell() {
            at_hand.has_ended = true;
            instance().empty(at_hand, SIZE_MAX);
        }
    };

    static void prepare_farewell(const AtHand& hand) {
        if (hand.has_ended) return;
        static thread_local const Farewell farewell;
    }

    static constexpr size_t handful = 32;
    static constexpr size_t at_hand_limit = 2 * handful;
    static thread_local constinit AtHand at_hand;

    FreeList& own_list() {
        static thread_local const size_t index = std::hash<std::thread::id>{}(std::this_thread::get_id()) % lists_count;
        return lists_[index];
    }

    static Row take_from(FreeList& list, size_t limit) {
        std::lock_guard hold(list.mutex);
        return Row::cut_off(list.head, limit);
    }

    void fill(AtHand& hand) {
        prepare_farewell(hand);
        const size_t wanted = hand.has_ended ? 1 : handful;
        hand.free = take_from(own_list(), wanted);
        for (size_t i = 0; i < lists_count && hand.free.count == 0; ++i) hand.free = take_from(lists_[i], wanted);
        if (hand.free.count != 0) return;
        hand.free = new_slab();
        empty(hand, slab_blocks - wanted);
    }

    // Puts back at most so many blocks.
    void empty(AtHand& hand, size_t blocks) {
        FreeList& list = own_list();
        std::lock_guard hold(list.mutex);
        for (; blocks > 0 && hand.free.count != 0; --blocks) {
            Control* const control = hand.free.pop();
            control->next_free = std::exchange(list.head, control);
        }
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
        forbid_use(memory, slab_bytes);
        slabs_.fetch_add(1, std::memory_order_relaxed);
        return {controls, slab_blocks};
    }

    std::array<FreeList, lists_count> lists_;
    std::atomic<uint64_t> slabs_{0};
};

thread_local constinit BlockPool::AtHand BlockPool::at_hand;

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
