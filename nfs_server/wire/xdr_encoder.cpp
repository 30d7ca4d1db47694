#include "nfs_server/wire/xdr_encoder.hpp"

#include <algorithm>
#include <cstring>

namespace lockstep::server::wire {
namespace {

constexpr size_t first_block_bytes = 512;
constexpr size_t max_block_bytes = size_t{64} << 10;

}  // namespace

// The function table that libtirpc and rpcgen's code call through.
struct EncoderOperations {
    static bool_t get_long(XDR*, long*) { return FALSE; }
    static bool_t put_long(XDR* stream, const long* value) {
        XdrEncoder::of(stream).encode(static_cast<uint32_t>(*value));
        return TRUE;
    }
    static bool_t get_bytes(XDR*, char*, u_int) { return FALSE; }
    static bool_t put_bytes(XDR* stream, const char* from, u_int size_bytes) {
        if (size_bytes != 0) std::memcpy(XdrEncoder::of(stream).room(size_bytes), from, size_bytes);
        return TRUE;
    }
    static u_int position(XDR* stream) { return static_cast<u_int>(XdrEncoder::of(stream).size_bytes()); }
    static bool_t set_position(XDR*, u_int) { return FALSE; }
    static int32_t* inline_words(XDR* stream, u_int size_bytes) {
        return reinterpret_cast<int32_t*>(XdrEncoder::of(stream).room(size_bytes));
    }
    static void destroy(XDR*) {}
    static bool_t control(XDR*, int, void*) { return FALSE; }

    static constexpr XDR::xdr_ops table{get_long,     put_long,     get_bytes, put_bytes, position,
                                        set_position, inline_words, destroy,   control};
};

XdrEncoder::XdrEncoder(Arena& arena, std::vector<iovec>& pieces) : arena_(arena), pieces_(pieces) {
    pieces_.clear();
    stream_.x_op = XDR_ENCODE;
    stream_.x_ops = &EncoderOperations::table;
    stream_.x_private = this;
}

void XdrEncoder::end_piece() {
    const auto piece_bytes = static_cast<size_t>(stream_.x_base - piece_start_);
    if (piece_bytes != 0) pieces_.push_back({const_cast<char*>(piece_start_), piece_bytes});
    ended_bytes_ += piece_bytes;
    piece_start_ = stream_.x_base;
}

void XdrEncoder::begin_block(size_t least_bytes) {
    end_piece();
    capacity_ = std::max(least_bytes, std::clamp(capacity_ * 2, first_block_bytes, max_block_bytes));
    stream_.x_base = reinterpret_cast<char*>(arena_.bytes(capacity_).data());
    stream_.x_handy = static_cast<u_int>(capacity_);
    piece_start_ = stream_.x_base;
}

void XdrEncoder::encode_bytes(std::string_view bytes) {
    const size_t padding_bytes = -bytes.size() & 3;
    if (bytes.size() >= reference_bytes) {
        end_piece();
        pieces_.push_back({const_cast<char*>(bytes.data()), bytes.size()});
        ended_bytes_ += bytes.size();
        if (padding_bytes != 0) std::memset(room(padding_bytes), 0, padding_bytes);
        return;
    }
    if (bytes.empty()) return;
    std::byte* to = room(bytes.size() + padding_bytes);
    std::memcpy(to, bytes.data(), bytes.size());
    std::memset(to + bytes.size(), 0, padding_bytes);
}

void XdrEncoder::restart() {
    pieces_.clear();
    piece_start_ = stream_.x_base;
    ended_bytes_ = 0;
}

void XdrEncoder::finish() {
    end_piece();
}

}  // namespace lockstep::server::wire
