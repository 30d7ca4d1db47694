// nfs_server_test_load URL ROUNDS [CLIENTS]: the load of test_load.hpp, as a program for tests that are scripts; beside
// it so many clients that call every procedure of NFS, each ROUNDS times.
#include "nfs_server/test_load.hpp"

#include <cstdio>
#include <exception>

#include "nfs_server/test_every_procedure.hpp"

namespace {

using lockstep::server::test::call_every_procedure;

int work(const std::string& url, uint64_t rounds, uint64_t clients) {
    const lockstep::server::test::Load load(url);
    const auto port = static_cast<uint16_t>(std::stoi(url.substr(url.rfind('=') + 1)));
    std::atomic<bool> good{true};
    std::vector<std::thread> threads;
    for (uint64_t seed = 1; seed <= clients; ++seed)
        threads.emplace_back([&good, port, seed, rounds] {
            if (!call_every_procedure(port, seed, rounds)) good = false;
        });
    while (load.running() && load.rounds() < rounds) std::this_thread::yield();
    for (auto& thread : threads) thread.join();
    return good && load.rounds() >= rounds ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3 && argc != 4) return 2;
    try {
        return work(argv[1], std::stoull(argv[2]), argc == 4 ? std::stoull(argv[3]) : 0);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "nfs_server_test_load: %s\n", error.what());
        return 1;
    }
}
