#include "nfs_server/base/faults.hpp"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>

#include "nfs_server/base/check.hpp"

namespace lockstep::server {
namespace {

// A function's static: faults of other translation units register before main, in any order.
std::vector<Fault*>& registry() {
    static std::vector<Fault*> faults;
    return faults;
}

// SplitMix64's finaliser: every bit of the input reaches every bit of the output.
uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

uint64_t mix_name(uint64_t seed, const char* name) {
    for (; *name; ++name) seed = mix(seed ^ static_cast<unsigned char>(*name));
    return seed;
}

std::atomic<int> strike_log{-1};

// One write of a whole line: lines of several threads do not mix.
void log_strike(const char* name) {
    const int file = strike_log.load(std::memory_order_relaxed);
    if (file < 0) return;
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    char line[128];
    const auto end =
        fmt::format_to_n(line, sizeof line, "{{\"fault\": \"{}\", \"time_ns\": {}}}\n", name,
                         static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec));
    check(end.size <= sizeof line, "the name of a fault fits on a line of the log of strikes");
    check(write(file, line, end.size) == static_cast<ssize_t>(end.size), "writing the log of strikes");
}

}  // namespace

Fault::Fault(const char* name, const char* summary, uint32_t one_in) : name_(name), summary_(summary), one_in_(one_in) {
    check(one_in >= 1, "a fault strikes once in at least one time");
    registry().push_back(this);
}

void Fault::enable(uint64_t seed) {
    seed_ = mix_name(seed, name_);
    draws_count_ = 0;
    strikes_count_ = 0;
    enabled_ = true;
}

bool Fault::draw() {
    const uint64_t turn = draws_count_.fetch_add(1, std::memory_order_relaxed);
    if (mix(seed_.load(std::memory_order_relaxed) + turn) % one_in_ != 0) return false;
    strikes_count_.fetch_add(1, std::memory_order_relaxed);
    log_strike(name_);
    return true;
}

std::vector<Fault*> Fault::all() {
    auto faults = registry();
    std::ranges::sort(faults, [](auto* a, auto* b) { return std::strcmp(a->name(), b->name()) < 0; });
    return faults;
}

Result<void, std::string> log_strikes_to(const std::string& path) {
    const int file = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) return fail(fmt::format("cannot open the log of strikes {}: {}", path, std::strerror(errno)));
    strike_log = file;
    return {};
}

Result<void, std::string> enable_fault(std::string_view name, uint64_t seed) {
    std::string known;
    for (Fault* fault : Fault::all()) {
        if (fault->name() == name) {
            fault->enable(seed);
            std::fprintf(stderr, "*** DELIBERATE FAULT %s (seed %llu): %s ***\n", fault->name(),
                         static_cast<unsigned long long>(seed), fault->summary());
            return {};
        }
        known += fmt::format("{}{}", known.empty() ? "" : ", ", fault->name());
    }
    return fail(fmt::format("unknown fault '{}'; there are: {}", name, known.empty() ? "none" : known));
}

}  // namespace lockstep::server
