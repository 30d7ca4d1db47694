#include "bench/nfs_load.hpp"

#include <algorithm>
#include <ctime>
#include <exception>
#include <latch>
#include <mutex>
#include <thread>

#include "bench/nfs_load_client.hpp"

namespace lockstep::bench {
namespace {

using Clock = LoadClient::Clock;

// The first failure of any thread.
class Failure {
 public:
    void keep() {
        const std::lock_guard hold(mutex_);
        if (!first_) first_ = std::current_exception();
    }
    void rethrow() const {
        if (first_) std::rethrow_exception(first_);
    }

 private:
    std::mutex mutex_;
    std::exception_ptr first_;
};

// CPU time of a process, user and system; 0: of ours.
double cpu_seconds(pid_t pid) {
    clockid_t clock = 0;
    timespec used{};
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        throw workloads::CallError("the CPU time of process " + std::to_string(pid) + " can't be read");
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

using Clients = std::vector<std::unique_ptr<LoadClient>>;

Clients make_clients(const workloads::ServerAddress& server, Operation operation, unsigned connections,
                     const StreamSettings& stream) {
    Clients clients;
    for (unsigned number = 0; number < connections; ++number) {
        const bool large = operation == Operation::read_large || operation == Operation::write_large;
        clients.push_back(large ? make_stream_client(server, operation, number, stream)
                                : make_call_client(server, operation, number));
    }
    return clients;
}

LoadResult sum_of(const Clients& clients) {
    LoadResult result;
    for (const auto& client : clients) {
        result.calls += client->calls;
        result.bytes += client->bytes;
        result.latencies_us.insert(result.latencies_us.end(), client->latencies_us.begin(), client->latencies_us.end());
    }
    std::ranges::sort(result.latencies_us);
    return result;
}

}  // namespace

double LoadResult::latency_us(double share) const {
    if (latencies_us.empty()) return 0;
    return static_cast<double>(
        latencies_us[static_cast<std::size_t>(share * static_cast<double>(latencies_us.size() - 1))]);
}

LoadResult load(const workloads::ServerAddress& server, Operation operation, unsigned connections,
                std::chrono::milliseconds duration, const StreamSettings& stream, pid_t server_pid) {
    const Clients clients = make_clients(server, operation, connections, stream);
    std::latch ready(connections + 1);
    Failure failure;
    std::vector<std::thread> threads;
    for (const auto& client : clients)
        threads.emplace_back([&] {
            ready.arrive_and_wait();
            try {
                client->run(Clock::now() + duration);
            } catch (...) {
                failure.keep();
            }
        });
    const double server_cpu = server_pid == 0 ? 0 : cpu_seconds(server_pid);
    const double client_cpu = cpu_seconds(0);
    ready.arrive_and_wait();
    const auto began = Clock::now();
    for (std::thread& thread : threads) thread.join();
    const auto elapsed = Clock::now() - began;
    failure.rethrow();
    LoadResult result = sum_of(clients);
    result.elapsed = elapsed;
    result.client_cpu_seconds = cpu_seconds(0) - client_cpu;
    if (server_pid != 0) result.server_cpu_seconds = cpu_seconds(server_pid) - server_cpu;
    return result;
}

}  // namespace lockstep::bench
