#include "nfs_server/rpc/payload.hpp"

#include <algorithm>
#include <cstring>

#include "nfs_server/base/check.hpp"

namespace lockstep::server::rpc {
namespace {

// Calls `visit(memory, at, size)` for each piece of the payload's bytes [from, from + size_bytes).
template <class Visit>
void for_each_piece(const Payload& payload, size_t from, size_t size_bytes, Visit&& visit) {
    for (size_t at = 0; at < size_bytes;) {
        iovec piece{};
        check(payload.pieces(from + at, {&piece, 1}) == 1, "a payload is used where it has room");
        const size_t size = std::min(piece.iov_len, size_bytes - at);
        visit(static_cast<std::byte*>(piece.iov_base), at, size);
        at += size;
    }
}

}  // namespace

void Payload::read(size_t from, std::span<std::byte> out) const {
    for_each_piece(*this, from, out.size(), [out](const std::byte* memory, size_t at, size_t size) {
        std::memcpy(out.data() + at, memory, size);
    });
}

void Payload::write(size_t from, std::span<const std::byte> bytes) {
    for_each_piece(*this, from, bytes.size(), [bytes](std::byte* memory, size_t at, size_t size) {
        std::memcpy(memory, bytes.data() + at, size);
    });
}

}  // namespace lockstep::server::rpc
