// The memory of a request that is done, kept for the next one of its connection. Rpc layer.
#pragma once

#include <atomic>
#include <memory>

#include "nfs_server/base/sanitizer.hpp"
#include "nfs_server/rpc/call.hpp"

namespace lockstep::server::rpc {

// Keeps one, if it is small: a client that sends one request at a time needs no other. Any thread.
class SpareCall {
 public:
    SpareCall() = default;
    ~SpareCall() { delete spare_.load(); }
    SpareCall(const SpareCall&) = delete;
    SpareCall& operator=(const SpareCall&) = delete;

    // Nothing points into it any more.
    void put(std::unique_ptr<Call> done) {
        if (done->held_bytes() > max_kept_bytes) return;
        done->pieces.clear();
        done->record.drop_payload();
        done->arena.reset();
        forbid_use(done->record.memory.get(), done->record.capacity_bytes);
        delete spare_.exchange(done.release(), std::memory_order_acq_rel);
    }
    // nullptr: there is none.
    std::unique_ptr<Call> take() { return std::unique_ptr<Call>(spare_.exchange(nullptr, std::memory_order_acq_rel)); }

 private:
    static constexpr size_t max_kept_bytes = size_t{16} << 10;
    std::atomic<Call*> spare_{nullptr};
};

}  // namespace lockstep::server::rpc
