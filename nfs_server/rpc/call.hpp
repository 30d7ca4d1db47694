// A received request and everything that its reply points at. Rpc layer.
#pragma once

#include <sys/uio.h>

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

    // Its payload's.
    uint64_t lane() const { return record.payload ? record.payload->lane() : 0; }
    // What it keeps in memory.
    size_t held_bytes() const { return record.capacity_bytes + arena.held_bytes(); }
};

}  // namespace lockstep::server::rpc
