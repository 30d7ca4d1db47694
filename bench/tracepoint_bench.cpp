// What a tracepoint costs while nobody listens: the loop with it against the loop without. The difference is the claim
// "nothing measurable"; compare medians (--benchmark_repetitions=9).
#include <benchmark/benchmark.h>

#include "tracepoints/txn.tp"

namespace {

void empty_loop(benchmark::State& state) {
    std::uint64_t number = 0;
    for (auto _ : state) benchmark::DoNotOptimize(++number);
}
BENCHMARK(empty_loop);

void loop_with_disabled_tracepoint(benchmark::State& state) {
    std::uint64_t number = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(++number);
        lttng_ust_tracepoint(txn, lock_acquired, number, number, 1);
    }
}
BENCHMARK(loop_with_disabled_tracepoint);

}  // namespace
