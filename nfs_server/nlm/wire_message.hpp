// Values of the protocol as bytes, for the calls that this server makes. Nlm layer.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "nfs_server/base/arena.hpp"
#include "nfs_server/wire/xdr_decoder.hpp"
#include "nfs_server/wire/xdr_encoder.hpp"

namespace lockstep::server::nlm {

// The value's XDR; empty when it breaks its own type's limits.
template <class T>
std::vector<std::byte> encoded(bool_t (*xdr_value)(XDR*, T*), T& value) {
    Arena arena;
    std::vector<iovec> pieces;
    wire::XdrEncoder encoder(arena, pieces);
    if (!encoder.encode(xdr_value, value)) return {};
    encoder.finish();
    std::vector<std::byte> bytes;
    for (const iovec& piece : pieces) {
        const auto* from = static_cast<const std::byte*>(piece.iov_base);
        bytes.insert(bytes.end(), from, from + piece.iov_len);
    }
    return bytes;
}

// The value, which points into `bytes` and `arena`; nothing when the bytes are none.
template <class T>
std::optional<T> decoded(bool_t (*xdr_value)(XDR*, T*), std::vector<std::byte>& bytes, Arena& arena) {
    wire::XdrDecoder decoder(bytes, arena);
    T value{};
    return decoder.decode(xdr_value, value) ? std::optional(value) : std::nullopt;
}

}  // namespace lockstep::server::nlm
