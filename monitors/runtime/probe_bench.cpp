// What a probe costs: the same loop over a disabled tracepoint, an attached keyed property without registers, one with
// registers, all in one run. Subtract the first line. And what a million contexts weigh.
#include <benchmark/benchmark.h>
#include <lttng/tracepoint.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>

#include "monitors/agent/probes.hpp"
#include "monitors/runtime/monitor.hpp"
#include "tracepoints/lock_api.tp"
#include "tracepoints/rpc.tp"
#include "tracepoints/txn.tp"

namespace lockstep::monitors {
namespace {

struct Attached {
    Attached(const std::string& file, InstanceOptions options)
        : monitor(Monitor::load(file, options)), probes(*monitor) {}
    std::unique_ptr<Monitor> monitor;
    Probes probes;
};

std::unique_ptr<Attached> attached;

// As the agent does: it tells probes the time.
const std::atomic<std::uint64_t> told_time_ns{1};

InstanceOptions as_the_agent() {
    InstanceOptions options;
    options.told_time_ns = &told_time_ns;
    return options;
}

std::string compiled(const char* name) {
    return std::string(COMPILED_PROPERTIES) + "/" + name + ".so";
}

void attach_keyed(const benchmark::State&) {
    attached = std::make_unique<Attached>(compiled("bench_keyed"), as_the_agent());
}
void attach_keyed_untold(const benchmark::State&) {
    attached = std::make_unique<Attached>(compiled("bench_keyed"), InstanceOptions{});
}
void attach_keyed_without_history(const benchmark::State&) {
    InstanceOptions options = as_the_agent();
    options.history_records = 0;
    attached = std::make_unique<Attached>(compiled("bench_keyed"), options);
}
void attach_keyed_precise(const benchmark::State&) {
    InstanceOptions options = as_the_agent();
    options.precise_time = true;
    attached = std::make_unique<Attached>(compiled("bench_keyed"), options);
}
void attach_two_phase(const benchmark::State&) {
    attached = std::make_unique<Attached>(compiled("two_phase_locking"), as_the_agent());
}
void attach_mutual_exclusion(const benchmark::State&) {
    attached = std::make_unique<Attached>(compiled("mutual_exclusion"), as_the_agent());
}
void detach(const benchmark::State&) {
    attached.reset();
}

// Two events an iteration, on a key of the thread's own.
void hit_keyed(benchmark::State& state) {
    const std::uint64_t connection = static_cast<std::uint64_t>(state.thread_index()) * 1'000'003 + 17;
    for (auto _ : state) {
        lttng_ust_tracepoint(rpc, call_received, 1, connection, 3, 4, 5, 6, 7);
        lttng_ust_tracepoint(rpc, reply_sent, 1, connection, 3, 0, 7);
    }
    state.SetItemsProcessed(state.iterations() * 2);
}

// A transaction that takes four locks.
void hit_transactions(benchmark::State& state) {
    std::uint64_t txn = static_cast<std::uint64_t>(state.thread_index()) << 40;
    for (auto _ : state) {
        ++txn;
        lttng_ust_tracepoint(txn, began, txn, 1);
        for (std::uint64_t address = 0; address < 4; ++address)
            lttng_ust_tracepoint(txn, lock_acquired, txn, address, 1);
        lttng_ust_tracepoint(txn, written, txn, 2, 0, 0, 8);
        lttng_ust_tracepoint(txn, committed, txn, 1, 5);
        for (std::uint64_t address = 0; address < 4; ++address) lttng_ust_tracepoint(txn, lock_released, txn, address);
    }
    state.SetItemsProcessed(state.iterations() * 11);
}

void hit_locks(benchmark::State& state) {
    const std::string file = "/file" + std::to_string(state.thread_index());
    for (auto _ : state) {
        lttng_ust_tracepoint(lock_api, acquired, file.c_str(), "host/1", 0, 9, 5);
        lttng_ust_tracepoint(lock_api, released, file.c_str(), "host/1", 0, 9);
    }
    state.SetItemsProcessed(state.iterations() * 2);
}

BENCHMARK(hit_keyed)->Name("disabled/2 events")->Threads(1)->Threads(2);
BENCHMARK(hit_keyed)
    ->Name("keyed, no registers/2 events")
    ->Threads(1)
    ->Threads(2)
    ->Setup(attach_keyed)
    ->Teardown(detach);
BENCHMARK(hit_keyed)->Name("keyed, no history/2 events")->Setup(attach_keyed_without_history)->Teardown(detach);
BENCHMARK(hit_keyed)->Name("keyed, coarse clock/2 events")->Setup(attach_keyed_untold)->Teardown(detach);
BENCHMARK(hit_keyed)->Name("keyed, precise time/2 events")->Setup(attach_keyed_precise)->Teardown(detach);
BENCHMARK(hit_transactions)->Name("disabled/11 events")->Threads(1)->Threads(2);
BENCHMARK(hit_transactions)
    ->Name("two_phase_locking/11 events")
    ->Threads(1)
    ->Threads(2)
    ->Setup(attach_two_phase)
    ->Teardown(detach);
BENCHMARK(hit_locks)->Name("disabled/2 lock events")->Threads(1)->Threads(2);
BENCHMARK(hit_locks)
    ->Name("mutual_exclusion/2 events")
    ->Threads(1)
    ->Threads(2)
    ->Setup(attach_mutual_exclusion)
    ->Teardown(detach);

std::uint64_t resident_bytes() {
    std::ifstream status("/proc/self/statm");
    std::uint64_t size = 0, resident = 0;
    status >> size >> resident;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void a_million_contexts(benchmark::State& state) {
    for (auto _ : state) {
        InstanceOptions options;
        options.contexts = 1'000'000;
        const std::uint64_t before = resident_bytes();
        const auto monitor = Monitor::load(compiled("bench_keyed"), options);
        const std::uint32_t call = monitor->find_binding("rpc", "call_received").value();
        for (std::uint64_t key = 0; key < 1'000'000; ++key) {
            Slot slots[7] = {};
            slots[1].unsigned_integer = key * 0x9e3779b97f4a7c15;
            monitor->deliver(call, slots, {});
        }
        state.counters["contexts"] = static_cast<double>(monitor->counters().contexts_alive);
        state.counters["refused"] = static_cast<double>(monitor->counters().table_full);
        state.counters["MB"] = static_cast<double>(resident_bytes() - before) / (1 << 20);
    }
}
BENCHMARK(a_million_contexts)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lockstep::monitors
