// Writes XDR (RFC 4506) as a list of pieces for one gathering write. Wire layer.
#pragma once

#include <arpa/inet.h>
#include <rpc/rpc.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "nfs_server/base/arena.hpp"

namespace lockstep::server::wire {

// What it writes lies in the arena, but for large opaque data: that stays where it is and is only pointed at.
// One thread at a time; neither copied nor moved, since XDR points back at it.
class XdrEncoder {
 public:
    // `pieces` is where the pieces go, emptied first; it and the arena live as long as the pieces are used.
    XdrEncoder(Arena& arena, std::vector<iovec>& pieces);
    XdrEncoder(const XdrEncoder&) = delete;
    XdrEncoder& operator=(const XdrEncoder&) = delete;

    // Encodes one value with a function that rpcgen made. False: the value breaks its own type's limits.
    template <class T>
    bool encode(bool_t (*xdr_value)(XDR*, T*), T& value) {
        return xdr_value(&stream_, &value) != 0;
    }

    void encode(uint32_t value) {
        const uint32_t word = htonl(value);
        std::memcpy(room(sizeof word), &word, sizeof word);
    }
    // Raw bytes, padded with zeros to a multiple of four. From `reference_bytes` on they are pointed at, not copied.
    void encode_bytes(std::string_view bytes);

    // Bytes written so far.
    size_t size_bytes() const { return ended_bytes_ + static_cast<size_t>(stream_.x_base - piece_start_); }
    // Forgets what was written.
    void restart();
    // Ends the last piece. Nothing may be encoded afterwards.
    void finish();

    // Where a copy would cost more than a further piece of a gathering write.
    static constexpr size_t reference_bytes = 2048;

    static XdrEncoder& of(XDR* stream) { return *static_cast<XdrEncoder*>(stream->x_private); }
    // Room for `size_bytes` in one block of the arena; they count as written.
    std::byte* room(size_t size_bytes) {
        if (size_bytes > stream_.x_handy) begin_block(size_bytes);
        char* start = stream_.x_base;
        stream_.x_base += size_bytes;
        stream_.x_handy -= static_cast<u_int>(size_bytes);
        return reinterpret_cast<std::byte*>(start);
    }

 private:
    void begin_block(size_t least_bytes);
    void end_piece();

    Arena& arena_;
    std::vector<iovec>& pieces_;
    const char* piece_start_ = nullptr;  // of the unfinished piece
    size_t ended_bytes_ = 0;             // in the pieces before it
    size_t capacity_ = 0;                // of the arena block that is being filled
    XDR stream_{};                       // x_base: where the next byte goes; x_handy: how many fit into the block there
    friend struct EncoderOperations;
};

}  // namespace lockstep::server::wire
