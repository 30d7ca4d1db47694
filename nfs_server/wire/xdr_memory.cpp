#include "nfs_server/wire/xdr_memory.h"

#include <cstring>
#include <string_view>

#include "nfs_server/wire/xdr_decoder.hpp"
#include "nfs_server/wire/xdr_encoder.hpp"

using lockstep::server::wire::XdrDecoder;
using lockstep::server::wire::XdrEncoder;

namespace {

bool_t decode_bytes(XdrDecoder& decoder, char** bytes, u_int* size_bytes, u_int max_bytes) {
    std::span<std::byte> view;
    if (!decoder.decode_opaque(view, max_bytes)) return FALSE;
    *bytes = reinterpret_cast<char*>(view.data());
    *size_bytes = static_cast<u_int>(view.size());
    return TRUE;
}

bool_t decode_string(XdrDecoder& decoder, char** text, u_int max_bytes) {
    std::span<std::byte> view;
    if (!decoder.decode_opaque(view, max_bytes)) return FALSE;
    if (std::memchr(view.data(), 0, view.size())) return FALSE;
    // The length before the string has been read: the string moves onto it, and its NUL has room within the record.
    std::byte* start = view.data() - sizeof(uint32_t);
    std::memmove(start, view.data(), view.size());
    start[view.size()] = std::byte{0};
    *text = reinterpret_cast<char*>(start);
    return TRUE;
}

bool_t encode_opaque(XDR* xdrs, std::string_view bytes, u_int max_bytes) {
    if (bytes.size() > max_bytes) return FALSE;
    auto& encoder = XdrEncoder::of(xdrs);
    encoder.encode(static_cast<uint32_t>(bytes.size()));
    encoder.encode_bytes(bytes);
    return TRUE;
}

bool_t decode_object(XDR* xdrs, char** object, u_int object_bytes, xdrproc_t xdr_object) {
    auto& decoder = XdrDecoder::of(xdrs);
    if (!decoder.enter()) return FALSE;
    *object = static_cast<char*>(decoder.arena().allocate(object_bytes));
    std::memset(*object, 0, object_bytes);
    const bool_t decoded = xdr_object(xdrs, *object, 0);
    decoder.leave();
    return decoded;
}

}  // namespace

bool_t wire_xdr_bytes(XDR* xdrs, char** bytes, u_int* size_bytes, u_int max_bytes) {
    if (xdrs->x_op == XDR_DECODE) return decode_bytes(XdrDecoder::of(xdrs), bytes, size_bytes, max_bytes);
    return encode_opaque(xdrs, {*bytes, *size_bytes}, max_bytes);
}

bool_t wire_xdr_string(XDR* xdrs, char** text, u_int max_bytes) {
    if (xdrs->x_op == XDR_DECODE) return decode_string(XdrDecoder::of(xdrs), text, max_bytes);
    return encode_opaque(xdrs, *text ? std::string_view(*text) : std::string_view(), max_bytes);
}

bool_t wire_xdr_array(XDR* xdrs, char** elements, u_int* count, u_int max_count, u_int element_bytes,
                      xdrproc_t element) {
    if (!xdr_u_int(xdrs, count) || *count > max_count) return FALSE;
    if (*count == 0) return TRUE;
    if (xdrs->x_op == XDR_DECODE) {
        auto& decoder = XdrDecoder::of(xdrs);
        // Every element takes at least one word of the record.
        if (*count > decoder.remaining_bytes() / sizeof(uint32_t)) return FALSE;
        *elements = static_cast<char*>(decoder.arena().allocate(size_t{*count} * element_bytes));
        std::memset(*elements, 0, size_t{*count} * element_bytes);
    }
    for (u_int i = 0; i < *count; ++i)
        if (!element(xdrs, *elements + size_t{i} * element_bytes, 0)) return FALSE;
    return TRUE;
}

bool_t wire_xdr_pointer(XDR* xdrs, char** object, u_int object_bytes, xdrproc_t xdr_object) {
    bool_t present = *object != nullptr;
    if (!xdr_bool(xdrs, &present)) return FALSE;
    if (!present) {
        *object = nullptr;
        return TRUE;
    }
    return wire_xdr_reference(xdrs, object, object_bytes, xdr_object);
}

bool_t wire_xdr_reference(XDR* xdrs, char** object, u_int object_bytes, xdrproc_t xdr_object) {
    if (xdrs->x_op == XDR_DECODE) return decode_object(xdrs, object, object_bytes, xdr_object);
    return xdr_object(xdrs, *object, 0);
}

bool_t wire_xdr_enum(XDR* xdrs, enum_t* value, int last) {
    if (xdrs->x_op == XDR_ENCODE) XdrEncoder::of(xdrs).encode(static_cast<uint32_t>(*value));
    if (xdrs->x_op != XDR_DECODE) return TRUE;
    uint32_t word = 0;
    if (!XdrDecoder::of(xdrs).decode(word) || word > static_cast<uint32_t>(last)) return FALSE;
    *value = static_cast<enum_t>(word);
    return TRUE;
}
