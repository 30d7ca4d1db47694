// A program for tests: fires lock_api events, in a network namespace of its own if asked.
//   lock_events burst OWNER COUNT [own_net_ns]   COUNT pairs acquired, released, as fast as it can
//   lock_events relay OWNER COUNT [own_net_ns]   a number comes on standard input; fires acquired with it as first_byte
//   and hands
//                                                number + 1 on over standard output, until it is COUNT
// The network namespace's inode goes to standard error, first.
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "tracepoints/lock_api.tp"

namespace {

constexpr std::uint8_t exclusive = 5;

void burst(const char* owner, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        lttng_ust_tracepoint(lock_api, acquired, "/burst", owner, i, i, exclusive);
        lttng_ust_tracepoint(lock_api, released, "/burst", owner, i, i);
    }
}

void relay(const char* owner, std::uint64_t count) {
    for (std::uint64_t number = 0; read(STDIN_FILENO, &number, sizeof number) == sizeof number;) {
        if (number < count) lttng_ust_tracepoint(lock_api, acquired, "/relay", owner, number, number, exclusive);
        ++number;
        if (write(STDOUT_FILENO, &number, sizeof number) != sizeof number || number > count) return;
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fputs("usage: lock_events burst|relay OWNER COUNT [own_net_ns]\n", stderr);
        return 2;
    }
    if (argc > 4 && unshare(CLONE_NEWNET) != 0) {
        std::perror("unshare");
        return 2;
    }
    std::signal(SIGPIPE, SIG_IGN);  // the next in a ring may have ended
    struct stat name_space {};
    stat("/proc/self/ns/net", &name_space);
    std::fprintf(stderr, "%llu\n", static_cast<unsigned long long>(name_space.st_ino));
    const std::uint64_t count = std::strtoull(argv[3], nullptr, 10);
    if (std::string_view(argv[1]) == "burst")
        burst(argv[2], count);
    else
        relay(argv[2], count);
    return 0;
}
