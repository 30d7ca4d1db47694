#include "nfs_server/ops/write_payload.hpp"

#include <algorithm>
#include <functional>
#include <string_view>

#include "nfs_server/rpc/word_reader.hpp"
#include "nfs_server/wire/nfs3.hpp"

namespace lockstep::server::ops {

std::size_t WritePayload::room_bytes() const {
    return std::min(size_bytes(), std::max(blocks_.size() * block_size_bytes, within_) - within_);
}

void WritePayload::make_room(std::size_t wanted_bytes) {
    const std::size_t blocks = (within_ + wanted_bytes + block_size_bytes - 1) / block_size_bytes;
    blocks_.reserve(blocks);
    memory_.reserve(blocks);
    while (blocks_.size() < blocks) {
        blocks_.push_back(BlockBuffer::uninitialised());
        memory_.push_back(blocks_.back().mutable_data());
    }
}

// Neighbours in memory are one piece.
std::size_t WritePayload::pieces(std::size_t from, std::span<iovec> to) const {
    const std::size_t behind = room_bytes();
    std::size_t count = 0;
    while (from < behind) {
        const std::size_t at = within_ + from;
        std::byte* const memory = memory_[at / block_size_bytes] + at % block_size_bytes;
        const std::size_t size = std::min(behind - from, block_size_bytes - at % block_size_bytes);
        if (count > 0 && static_cast<std::byte*>(to[count - 1].iov_base) + to[count - 1].iov_len == memory) {
            to[count - 1].iov_len += size;
        } else {
            if (count == to.size()) break;
            to[count++] = {memory, size};
        }
        from += size;
    }
    return count;
}

rpc::PayloadSearch find_write_payload(std::span<const std::byte> beginning, std::size_t arguments_bytes) {
    using Result = rpc::PayloadSearch::Result;
    rpc::WordReader words(beginning);
    const std::uint32_t handle_bytes = words.skip_opaque();
    const std::size_t handle_end = words.ended() ? 0 : words.position();
    const std::uint64_t offset = words.next_64();
    words.skip(2);  // count, stable
    const std::size_t size = words.next();
    if (words.ended()) return {.result = Result::undecided};
    const std::size_t at = words.position();
    const std::size_t padded = (size + 3) & ~std::size_t{3};
    if (handle_bytes > NFS3_FHSIZE || size == 0 || at > arguments_bytes || padded > arguments_bytes - at) return {};
    const std::string_view handle(reinterpret_cast<const char*>(beginning.data()), handle_end);
    return {.result = Result::found,
            .at = at,
            .payload = std::make_unique<WritePayload>(offset, size, std::hash<std::string_view>{}(handle) | 1)};
}

}  // namespace lockstep::server::ops
