// Numbers that no two threads share, without a counter that all threads write. Base layer.
#pragma once

#include <atomic>
#include <cstdint>

namespace lockstep::server {

// The next number of the sequence that `Sequence`, any type, stands for: unique in the life of the process and never 0.
// A thread numbers eight in a row before it takes the next eight, so numbers tell nothing of the order between threads.
// Any thread; does not fail.
template <class Sequence>
uint64_t next_unique_id() {
    static constexpr uint64_t taken_at_once = 8;
    static std::atomic<uint64_t> untaken{taken_at_once};
    static thread_local uint64_t next = 0;
    if (next % taken_at_once == 0) next = untaken.fetch_add(taken_at_once, std::memory_order_relaxed);
    return next++;
}

}  // namespace lockstep::server
