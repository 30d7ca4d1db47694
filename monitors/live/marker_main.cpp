// lockstep_live_marker READER: fires lockstep_live:mark on every CPU, once for each line on standard input, a round's
// number. Prints "ready CPU…" when it can fire (its LTTng-UST has registered) and "fired ROUND" after each round. Ends
// with its input. A program of its own because whoever reads a session need not be an LTTng-UST program, and because
// registration happens when a program starts.
#include <sched.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tracepoints/lockstep_live.tp"

namespace {

constexpr int most_cpus = 4096;

class CpuSet {
 public:
    CpuSet() : set_(CPU_ALLOC(most_cpus)) { CPU_ZERO_S(size(), set_); }
    ~CpuSet() { CPU_FREE(set_); }
    CpuSet(const CpuSet&) = delete;
    CpuSet& operator=(const CpuSet&) = delete;

    static std::size_t size() { return CPU_ALLOC_SIZE(most_cpus); }
    cpu_set_t* get() { return set_; }
    bool has(int cpu) const { return CPU_ISSET_S(cpu, size(), set_); }
    void only(int cpu) {
        CPU_ZERO_S(size(), set_);
        CPU_SET_S(cpu, size(), set_);
    }

 private:
    cpu_set_t* set_;
};

std::vector<int> allowed_cpus() {
    CpuSet allowed;
    std::vector<int> cpus;
    if (sched_getaffinity(0, CpuSet::size(), allowed.get()) != 0) return cpus;
    for (int cpu = 0; cpu < most_cpus; ++cpu)
        if (allowed.has(cpu)) cpus.push_back(cpu);
    return cpus;
}

void fire(std::uint64_t reader, std::uint64_t round, const std::vector<int>& cpus) {
    CpuSet one;
    for (const int cpu : cpus) {
        one.only(cpu);
        // A CPU that was taken away meanwhile keeps its last buffer unread: the reader then waits until its deadline.
        if (sched_setaffinity(0, CpuSet::size(), one.get()) != 0) continue;
        lttng_ust_tracepoint(lockstep_live, mark, reader, round, static_cast<std::uint32_t>(cpu));
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: lockstep_live_marker READER\n", stderr);
        return 2;
    }
    const std::uint64_t reader = std::strtoull(argv[1], nullptr, 10);
    const std::vector<int> cpus = allowed_cpus();
    std::printf("ready");
    for (const int cpu : cpus) std::printf(" %d", cpu);
    std::printf("\n");
    std::fflush(stdout);

    unsigned long long round = 0;
    while (std::scanf("%llu", &round) == 1) {
        fire(reader, round, cpus);
        std::printf("fired %llu\n", round);
        std::fflush(stdout);
    }
    return 0;
}
