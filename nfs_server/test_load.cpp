// nfs_server_test_load URL ROUNDS: the load of test_load.hpp, as a program for tests that are scripts.
#include "nfs_server/test_load.hpp"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    try {
        const lockstep::server::test::Load load(argv[1]);
        const uint64_t rounds = std::stoull(argv[2]);
        while (load.running() && load.rounds() < rounds) std::this_thread::yield();
        return load.rounds() < rounds ? 1 : 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "nfs_server_test_load: %s\n", error.what());
        return 1;
    }
}
