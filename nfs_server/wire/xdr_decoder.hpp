// Reads XDR (RFC 4506) from one record that lies in memory. Wire layer.
#pragma once

#include <arpa/inet.h>
#include <rpc/rpc.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "nfs_server/base/arena.hpp"

namespace lockstep::server::wire {

// A stream over a record's bytes, which it may change (xdr_memory.h says how). What it decodes points into the record
// and into the arena, and lives as long as both. One thread at a time; neither copied nor moved, since XDR points back
// at it.
class XdrDecoder {
 public:
    // record: 4-byte aligned.
    XdrDecoder(std::span<std::byte> record, Arena& arena);
    XdrDecoder(const XdrDecoder&) = delete;
    XdrDecoder& operator=(const XdrDecoder&) = delete;

    // Decodes one value with a function that rpcgen made. False: the bytes are no such value.
    template <class T>
    bool decode(bool_t (*xdr_value)(XDR*, T*), T& value) {
        return xdr_value(&stream_, &value) != 0;
    }

    // The next unsigned integer. False at the record's end.
    bool decode(uint32_t& value) {
        if (remaining_bytes() < sizeof value) return false;
        std::memcpy(&value, step(sizeof value), sizeof value);
        value = ntohl(value);
        return true;
    }

    // Steps over opaque<max_bytes> and gives its bytes, which stay in the record.
    bool decode_opaque(std::span<std::byte>& bytes, uint32_t max_bytes);

    size_t remaining_bytes() const { return stream_.x_handy; }
    // The bytes not yet decoded.
    std::span<std::byte> rest() const { return {reinterpret_cast<std::byte*>(stream_.x_base), remaining_bytes()}; }
    Arena& arena() { return arena_; }

    // What xdr_memory.h works on. take: the next `size_bytes` and their padding, nullptr if the record ends before.
    static XdrDecoder& of(XDR* stream) { return *static_cast<XdrDecoder*>(stream->x_private); }
    std::byte* take(size_t size_bytes);
    // Optional parts within optional parts (a list is one): false when too deep.
    bool enter() { return ++depth_ <= max_depth; }
    void leave() { --depth_; }

 private:
    static constexpr uint32_t max_depth = 4096;

    // Steps over bytes that are there.
    std::byte* step(size_t size_bytes) {
        char* start = stream_.x_base;
        stream_.x_base += size_bytes;
        stream_.x_handy -= static_cast<u_int>(size_bytes);
        return reinterpret_cast<std::byte*>(start);
    }

    const char* begin_;
    Arena& arena_;
    uint32_t depth_ = 0;
    XDR stream_{};  // x_base: the next byte; x_handy: how many are left of the record
    friend struct DecoderOperations;
};

}  // namespace lockstep::server::wire
