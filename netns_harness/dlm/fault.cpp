#include "netns_harness/dlm/fault.hpp"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace lockstep::dlm {

IncompatibleGrant::IncompatibleGrant(std::uint64_t seed, const std::string& log) : random_(seed, 0) {
    std::fprintf(stderr, "DELIBERATE FAULT %s is on: %s\n", name, summary);
    if (log.empty()) return;
    log_ = Fd(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (log_.get() < 0) throw SocketError("cannot open " + log + ": " + std::strerror(errno));
}

bool IncompatibleGrant::strikes() {
    if (!random_.one_in(16)) return false;
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const std::string line = std::string(R"({"fault": ")") + name + R"(", "time_ns": )" +
                             std::to_string(static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
                                            static_cast<std::uint64_t>(now.tv_nsec)) +
                             "}\n";
    if (log_.get() >= 0 && write(log_.get(), line.data(), line.size()) < 0)
        std::fprintf(stderr, "a strike of %s could not be written down: %s\n", name, std::strerror(errno));
    return true;
}

}  // namespace lockstep::dlm
