#include "nfs_server/wire/xdr_decoder.hpp"

#include <cstring>

#include "nfs_server/base/check.hpp"

namespace lockstep::server::wire {

// The function table that libtirpc and rpcgen's code call through.
struct DecoderOperations {
    static bool_t get_long(XDR* stream, long* value) {
        uint32_t word = 0;
        if (!XdrDecoder::of(stream).decode(word)) return FALSE;
        *value = static_cast<int32_t>(word);
        return TRUE;
    }
    static bool_t put_long(XDR*, const long*) { return FALSE; }
    static bool_t get_bytes(XDR* stream, char* to, u_int size_bytes) {
        auto& decoder = XdrDecoder::of(stream);
        if (size_bytes > decoder.remaining_bytes()) return FALSE;
        std::memcpy(to, decoder.step(size_bytes), size_bytes);
        return TRUE;
    }
    static bool_t put_bytes(XDR*, const char*, u_int) { return FALSE; }
    static u_int position(XDR* stream) { return static_cast<u_int>(stream->x_base - XdrDecoder::of(stream).begin_); }
    static bool_t set_position(XDR*, u_int) { return FALSE; }
    static int32_t* inline_words(XDR* stream, u_int size_bytes) {
        auto& decoder = XdrDecoder::of(stream);
        if (size_bytes > decoder.remaining_bytes()) return nullptr;
        return reinterpret_cast<int32_t*>(decoder.step(size_bytes));
    }
    static void destroy(XDR*) {}
    static bool_t control(XDR*, int, void*) { return FALSE; }

    static constexpr XDR::xdr_ops table{get_long,     put_long,     get_bytes, put_bytes, position,
                                        set_position, inline_words, destroy,   control};
};

XdrDecoder::XdrDecoder(std::span<std::byte> record, Arena& arena)
    : begin_(reinterpret_cast<char*>(record.data())), arena_(arena) {
    check(record.size() <= UINT32_MAX, "a record's size fits into 32 bits");
    stream_.x_op = XDR_DECODE;
    stream_.x_ops = &DecoderOperations::table;
    stream_.x_private = this;
    stream_.x_base = reinterpret_cast<char*>(record.data());
    stream_.x_handy = static_cast<u_int>(record.size());
}

std::byte* XdrDecoder::take(size_t size_bytes) {
    const size_t padded_bytes = (size_bytes + 3) & ~size_t{3};
    if (padded_bytes > remaining_bytes()) return nullptr;
    return step(padded_bytes);
}

bool XdrDecoder::decode_opaque(std::span<std::byte>& bytes, uint32_t max_bytes) {
    uint32_t size_bytes = 0;
    if (!decode(size_bytes) || size_bytes > max_bytes) return false;
    std::byte* taken = take(size_bytes);
    if (!taken) return false;
    bytes = {taken, size_bytes};
    return true;
}

}  // namespace lockstep::server::wire
