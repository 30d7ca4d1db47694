#include "nfs_server/ops/operation_counts.hpp"

#include <algorithm>
#include <atomic>

namespace lockstep::server::ops {
namespace {

// A set for each of the first threads, on cache lines of its own; the last is for all others.
constexpr std::uint32_t shards = 64;
struct alignas(64) Shard {
    std::array<std::array<std::atomic<std::uint64_t>, 2>, nfs3_procedures> counts{};
};
std::array<Shard, shards> all;
std::atomic<std::uint32_t> threads{0};

Shard& shard_of_thread() {
    thread_local Shard& shard = all[std::min(threads.fetch_add(1, std::memory_order_relaxed), shards - 1)];
    return shard;
}

}  // namespace

void count_operation(std::uint32_t procedure, bool has_succeeded) {
    if (procedure >= nfs3_procedures) return;
    Shard& shard = shard_of_thread();
    std::atomic<std::uint64_t>& count = shard.counts[procedure][has_succeeded ? 1 : 0];
    if (&shard == &all.back()) {
        count.fetch_add(1, std::memory_order_relaxed);
    } else {
        count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
}

OperationCounts operation_counts() {
    OperationCounts sum{};
    for (const Shard& shard : all)
        for (std::uint32_t i = 0; i < nfs3_procedures; ++i) {
            sum[i].failed += shard.counts[i][0].load(std::memory_order_relaxed);
            sum[i].succeeded += shard.counts[i][1].load(std::memory_order_relaxed);
        }
    return sum;
}

}  // namespace lockstep::server::ops
