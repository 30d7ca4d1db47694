// Memory that is taken in small pieces and given back all at once: a reply's strings, lists and data. Base layer.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "nfs_server/base/sanitizer.hpp"

namespace lockstep::server {

// Pieces live until the arena is destroyed or reset; no destructor of a piece runs, hence only trivially destructible
// types. One thread at a time. Moving an arena moves the memory: pieces stay where they are.
class Arena {
 public:
    // first_chunk_bytes: size of the first chunk, taken when the first piece is.
    explicit Arena(size_t first_chunk_bytes = 4096) : next_chunk_bytes_(first_chunk_bytes) {}
    Arena(Arena&& other) noexcept;
    Arena& operator=(Arena&& other) noexcept;

    // `size_bytes` uninitialised bytes, aligned to `align` (a power of two, at most 16).
    void* allocate(size_t size_bytes, size_t align = alignof(std::max_align_t)) {
        const size_t start = (used_ + align - 1) & ~(align - 1);
        if (start + size_bytes > capacity_) return allocate_slow(size_bytes);
        used_ = start + size_bytes;
        allow_use(current_ + start, size_bytes);
        return current_ + start;
    }

    // One T, value-initialised from the arguments.
    template <class T, class... Args>
    T* make(Args&&... args) {
        static_assert(std::is_trivially_destructible_v<T>);
        return new (allocate(sizeof(T), alignof(T))) T{std::forward<Args>(args)...};
    }

    // `count` value-initialised T.
    template <class T>
    std::span<T> make_array(size_t count) {
        static_assert(std::is_trivially_destructible_v<T>);
        T* first = static_cast<T*>(allocate(sizeof(T) * count, alignof(T)));
        std::uninitialized_value_construct_n(first, count);
        return {first, count};
    }

    // `size_bytes` uninitialised bytes, for data that is about to be read into them.
    std::span<std::byte> bytes(size_t size_bytes) {
        return {static_cast<std::byte*>(allocate(size_bytes, 16)), size_bytes};
    }

    // A copy of the text, without a terminating NUL.
    std::string_view copy(std::string_view text) {
        if (text.empty()) return {};
        auto* to = static_cast<char*>(allocate(text.size(), 1));
        std::memcpy(to, text.data(), text.size());
        return {to, text.size()};
    }

    // Gives every piece up; keeps one chunk of ordinary size for the next use.
    void reset();

    // Bytes held in chunks, used or not.
    size_t held_bytes() const { return held_bytes_; }

 private:
    void* allocate_slow(size_t size_bytes);

    struct Chunk {
        std::unique_ptr<std::byte[]> memory;
        size_t size_bytes;
    };
    std::vector<Chunk> chunks_;
    std::byte* current_ = nullptr;
    size_t used_ = 0;
    size_t capacity_ = 0;
    size_t next_chunk_bytes_;
    size_t held_bytes_ = 0;
};

}  // namespace lockstep::server
