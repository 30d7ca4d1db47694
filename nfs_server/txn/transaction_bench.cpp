// Commits a second. A transaction changes two objects (an inode's worth of bytes each) and two bits, as a CREATE would.
// Threads share the store and touch objects of their own, several to a block.
#include <benchmark/benchmark.h>

#include <array>
#include <chrono>
#include <memory>

#include "nfs_server/disk/latency_disk.hpp"
#include "nfs_server/txn/memory_store.hpp"

namespace lockstep::server::txn {
namespace {

constexpr uint64_t disk_blocks = 65536;  // 256 MiB
constexpr uint32_t object_bytes = 128;
constexpr uint64_t objects_per_thread = 64;
constexpr uint64_t bitmap_block = 1000;
constexpr uint64_t large_write_blocks = 256;  // 1 MiB

// One store for all threads of a run: made by thread 0 before the others start, ended after them.
struct Store {
    explicit Store(std::chrono::nanoseconds barrier_time) : memory(disk_blocks), disk(memory, barrier_time) {
        check(journal::Journal::format(memory).has_value(), "a disk in memory can be formatted");
        auto opened = journal::Journal::open(barrier_time.count() == 0 ? static_cast<disk::Disk&>(memory) : disk);
        check(opened.has_value(), "a formatted disk opens");
        journal = std::move(*opened);
        manager = std::make_unique<TransactionManager>(*journal);
    }
    disk::MemoryDisk memory;
    disk::LatencyDisk disk;
    std::unique_ptr<journal::Journal> journal;
    std::unique_ptr<TransactionManager> manager;
};
std::unique_ptr<Store> store;

void start(benchmark::State& state) {
    if (state.thread_index() == 0) store = std::make_unique<Store>(std::chrono::microseconds(state.range(0)));
}

void finish(benchmark::State& state) {
    if (state.thread_index() != 0) return;
    const auto counters = store->journal->counters();
    state.counters["records_per_barrier"] =
        static_cast<double>(counters.records) / static_cast<double>(std::max<uint64_t>(1, counters.barriers));
    state.counters["checkpoints"] = static_cast<double>(counters.checkpoints);
    store.reset();
}

Result<void, StorageError> change_object(Transaction& txn, uint64_t object, uint64_t value) {
    std::array<uint64_t, object_bytes / sizeof(uint64_t)> bytes{};
    bytes.fill(value);
    const uint64_t per_block = block_size_bytes / object_bytes;
    LOCKSTEP_TRY(txn.lock(LockAddress::inode(object), LockMode::exclusive));
    LOCKSTEP_TRY(txn.write(LockAddress::inode(object), object / per_block,
                           static_cast<uint32_t>(object % per_block) * object_bytes, std::as_bytes(std::span(bytes))));
    LOCKSTEP_TRY(txn.lock(LockAddress::block_bit(object), LockMode::exclusive));
    return txn.write_bit(LockAddress::block_bit(object), bitmap_block, static_cast<uint32_t>(object), value % 2 != 0);
}

void small_commits(benchmark::State& state, bool durable) {
    start(state);
    uint64_t round = 0;
    const uint64_t base = static_cast<uint64_t>(state.thread_index()) * objects_per_thread;
    for (auto _ : state) {
        ++round;
        auto outcome = store->manager->run(round, [&](Transaction& txn) -> Result<void, StorageError> {
            LOCKSTEP_TRY(change_object(txn, base + round % (objects_per_thread - 1), round));
            return change_object(txn, base + round % (objects_per_thread - 1) + 1, round);
        });
        check(outcome && outcome->committed, "a small transaction commits");
        if (durable) check(store->manager->wait_durable(outcome->sequence, round).has_value(), "and is durable");
    }
    state.SetItemsProcessed(state.iterations());
    finish(state);
}

void committed_in_memory(benchmark::State& state) {
    small_commits(state, false);
}
void durable_commits(benchmark::State& state) {
    small_commits(state, true);
}

void reads(benchmark::State& state) {
    start(state);
    std::array<std::byte, object_bytes> bytes;
    uint64_t round = static_cast<uint64_t>(state.thread_index()) * 1000;
    for (auto _ : state) {
        ++round;
        auto outcome = store->manager->run(round, [&](Transaction& txn) -> Result<void, StorageError> {
            LOCKSTEP_TRY(txn.lock(LockAddress::inode(round % 512), LockMode::shared));
            return txn.read(round % 512 / 32, static_cast<uint32_t>(round % 32) * object_bytes, bytes);
        });
        check(outcome && outcome->committed, "a reader commits");
    }
    state.SetItemsProcessed(state.iterations());
    finish(state);
}

void large_writes(benchmark::State& state) {
    start(state);
    uint64_t round = 0;
    const uint64_t first = 2000 + static_cast<uint64_t>(state.thread_index()) * 5000;
    std::array<std::byte, block_size_bytes> payload{};
    for (auto _ : state) {
        ++round;
        auto outcome = store->manager->run(round, [&](Transaction& txn) -> Result<void, StorageError> {
            const LockAddress guard = LockAddress::inode(static_cast<uint64_t>(state.thread_index()));
            LOCKSTEP_TRY(txn.lock(guard, LockMode::exclusive));
            for (uint64_t i = 0; i < large_write_blocks; ++i)
                LOCKSTEP_TRY(
                    txn.write_block(guard, first + round % 16 * large_write_blocks + i, BlockBuffer::copy_of(payload)));
            return {};
        });
        check(outcome && outcome->committed, "a large transaction commits");
    }
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(large_write_blocks * block_size_bytes));
    finish(state);
}

void one_to_eight_threads(benchmark::internal::Benchmark* one) {
    one->ThreadRange(1, 8)->UseRealTime();
}

BENCHMARK(reads)->ArgName("barrier_us")->Arg(0)->Apply(one_to_eight_threads);
BENCHMARK(committed_in_memory)->ArgName("barrier_us")->Arg(0)->Apply(one_to_eight_threads);
BENCHMARK(durable_commits)->ArgName("barrier_us")->Arg(0)->Arg(600)->Apply(one_to_eight_threads);
BENCHMARK(large_writes)->ArgName("barrier_us")->Arg(0)->Arg(600)->Apply(one_to_eight_threads);

}  // namespace
}  // namespace lockstep::server::txn
