// The memory of one block: 4096 bytes, aligned to 4096 (so that it may be handed to O_DIRECT), counted by reference.
//
// The same buffer travels from a WRITE's arguments through a transaction, the log writer, the cache and the installer
// without being copied. The rule that makes this safe: a buffer is written only while it has one owner (`unique()`);
// whoever finds it shared replaces it by a copy. So everybody else's buffer is a snapshot that never changes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace lockstep::server {

inline constexpr uint32_t block_size_bytes = 4096;

/// A counted reference to the memory of one block; may be empty. One BlockBuffer object belongs to one thread at a
/// time; different objects that share memory may be used by different threads.
class BlockBuffer {
 public:
    BlockBuffer() = default;
    BlockBuffer(const BlockBuffer& other) noexcept : control_(other.control_) {
        if (control_ != nullptr) control_->references.fetch_add(1, std::memory_order_relaxed);
    }
    BlockBuffer(BlockBuffer&& other) noexcept : control_(std::exchange(other.control_, nullptr)) {}
    BlockBuffer& operator=(BlockBuffer other) noexcept {
        std::swap(control_, other.control_);
        return *this;
    }
    ~BlockBuffer() { reset(); }

    /// A new buffer with undefined content. Memory exhaustion ends the process.
    static BlockBuffer uninitialised();
    /// A new buffer of zeros.
    static BlockBuffer zeroed();
    /// A new buffer that begins with `bytes` (at most 4096) and is zero behind them.
    static BlockBuffer copy_of(std::span<const std::byte> bytes);

    /// Blocks that the process has memory for, in use or free. It only grows, with what is in use at one time.
    static uint64_t allocated_blocks();

    explicit operator bool() const { return control_ != nullptr; }

    /// The 4096 bytes. Precondition: not empty.
    const std::byte* data() const { return control_->bytes; }
    std::span<const std::byte> span() const { return {data(), block_size_bytes}; }

    /// The 4096 bytes for writing. Precondition: `unique()`.
    std::byte* mutable_data() {
        control_->known_hash.store(0, std::memory_order_relaxed);
        control_->checked_as.store(0, std::memory_order_relaxed);
        return control_->bytes;
    }
    std::span<std::byte> mutable_span() { return {mutable_data(), block_size_bytes}; }

    /// What the layers above took as the content's hash; 0: nothing since the content last could change.
    uint64_t known_hash() const { return control_->known_hash.load(std::memory_order_relaxed); }
    void remember_hash(uint64_t hash) const { control_->known_hash.store(hash, std::memory_order_relaxed); }

    /// What a reader has found the content to be, for those who read the same memory later: a number whose meaning is
    /// the layers' above; 0: nobody has checked it since it last changed. Any owner, any thread.
    uint64_t checked_as() const { return control_->checked_as.load(std::memory_order_relaxed); }
    void set_checked_as(uint64_t found) const { control_->checked_as.store(found, std::memory_order_relaxed); }

    /// True when no other BlockBuffer shares the memory; what former owners did with it happened before.
    bool unique() const { return control_ != nullptr && control_->references.load(std::memory_order_acquire) == 1; }

    /// Makes this buffer unique, copying the content when it is shared. Precondition: not empty.
    void make_unique();

    /// Gives the reference up.
    void reset() {
        if (control_ != nullptr) release(std::exchange(control_, nullptr));
    }

 private:
    friend class BlockPool;
    struct Control {
        std::atomic<uint32_t> references{0};
        std::byte* bytes = nullptr;
        std::atomic<uint64_t> known_hash{0};
        std::atomic<uint64_t> checked_as{0};
        Control* next_free = nullptr;
    };
    explicit BlockBuffer(Control* control) : control_(control) {}
    static void release(Control* control) noexcept;

    Control* control_ = nullptr;
};

}  // namespace lockstep::server
