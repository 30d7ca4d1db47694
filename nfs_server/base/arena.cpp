#include "nfs_server/base/arena.hpp"

#include <algorithm>

namespace lockstep::server {
namespace {

constexpr size_t max_chunk_bytes = size_t{256} << 10;

}  // namespace

Arena::Arena(Arena&& other) noexcept : next_chunk_bytes_(other.next_chunk_bytes_) {
    *this = std::move(other);
}

Arena& Arena::operator=(Arena&& other) noexcept {
    chunks_ = std::move(other.chunks_);
    other.chunks_.clear();
    current_ = std::exchange(other.current_, nullptr);
    used_ = std::exchange(other.used_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    next_chunk_bytes_ = other.next_chunk_bytes_;
    held_bytes_ = std::exchange(other.held_bytes_, 0);
    return *this;
}

void* Arena::allocate_slow(size_t size_bytes) {
    // A piece larger than a chunk gets one of its own; the current chunk stays in use for the small pieces that follow.
    const bool own_chunk = size_bytes > next_chunk_bytes_ / 2;
    const size_t chunk_bytes = own_chunk ? size_bytes : next_chunk_bytes_;
    chunks_.push_back({std::unique_ptr<std::byte[]>(new std::byte[std::max<size_t>(chunk_bytes, 1)]), chunk_bytes});
    held_bytes_ += chunk_bytes;
    std::byte* memory = chunks_.back().memory.get();
    if (own_chunk) return memory;
    next_chunk_bytes_ = std::min(next_chunk_bytes_ * 2, std::max(next_chunk_bytes_, max_chunk_bytes));
    current_ = memory;
    capacity_ = chunk_bytes;
    used_ = size_bytes;
    forbid_use(memory + size_bytes, chunk_bytes - size_bytes);
    return memory;
}

void Arena::reset() {
    const auto keep = std::ranges::find(chunks_, current_, [](const Chunk& chunk) { return chunk.memory.get(); });
    if (keep == chunks_.end() || keep->size_bytes > max_chunk_bytes) {
        *this = Arena(next_chunk_bytes_);
        return;
    }
    Chunk kept = std::move(*keep);
    chunks_.clear();
    held_bytes_ = kept.size_bytes;
    forbid_use(kept.memory.get(), kept.size_bytes);
    chunks_.push_back(std::move(kept));
    used_ = 0;
}

}  // namespace lockstep::server
