// A received request and everything that its reply points at. Rpc layer.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "nfs_server/base/arena.hpp"
#include "nfs_server/rpc/record_reader.hpp"

namespace lockstep::server::rpc {

// Lives from the record's last byte to the reply's last byte. Owned by one thread, or by its connection's output, at a
// time.
struct Call {
    explicit Call(Record&& received) : record(std::move(received)) {}

    Record record;
    Arena arena{2048};
    std::vector<iovec> pieces;  // of the encoded reply

    // It has run, and its reply is in `pieces`: gives back what is large and not needed for that, so that a client
    // which takes no replies does not keep it. No reply points into a payload.
    void drop_request() {
        record.drop_payload();
        const auto bytes = record.bytes();
        const auto is_in_record = [&](const iovec& piece) {
            const std::less<const void*> is_before;
            return !is_before(piece.iov_base, bytes.data()) && is_before(piece.iov_base, bytes.data() + bytes.size());
        };
        if (record.capacity_bytes <= small_record_bytes || std::ranges::any_of(pieces, is_in_record)) return;
        record.memory.reset();
        record.size_bytes = record.capacity_bytes = 0;
        record.share.give_back_all();
    }

    // Its payload's.
    uint64_t lane() const { return record.payload ? record.payload->lane() : 0; }
    // What it keeps in memory.
    size_t held_bytes() const { return record.capacity_bytes + arena.held_bytes(); }

    static constexpr size_t small_record_bytes = size_t{4} << 10;
};

}  // namespace lockstep::server::rpc
