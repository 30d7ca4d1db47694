#include "nfs_server/explore/workload.hpp"

#include <fmt/format.h>

#include <array>
#include <numeric>
#include <random>

namespace lockstep::server::explore {
namespace {

// ACE's operations as far as NFS version 3 has them (there is no fallocate; a write behind the end makes the hole), on
// names that exist and names that don't.
Steps make_operations() {
    Steps steps;
    for (const char* file : {"foo", "bar", "A/foo", "A/bar", "B/foo"}) {
        steps.push_back({.verb = Verb::creat, .path = file});
        steps.push_back({.verb = Verb::remove, .path = file});
    }
    steps.push_back({.verb = Verb::exclusive, .path = "bar"});
    steps.push_back({.verb = Verb::fifo, .path = "bar"});
    for (const char* link : {"bar", "A/bar"}) steps.push_back({.verb = Verb::symlink, .path = link});
    for (const char* directory : {"D", "A/C"}) steps.push_back({.verb = Verb::mkdir, .path = directory});
    for (const char* directory : {"A", "B", "A/C"}) steps.push_back({.verb = Verb::rmdir, .path = directory});
    using Pair = std::pair<const char*, const char*>;
    for (const auto& [from, to] : {Pair{"foo", "bar"}, {"foo", "A/bar"}, {"A/foo", "B/foo"}, {"A/foo", "A/bar"}})
        steps.push_back({.verb = Verb::link, .path = from, .other = to});
    for (const auto& [from, to] : {Pair{"foo", "bar"},
                                   {"foo", "A/foo"},
                                   {"foo", "A/bar"},
                                   {"A/foo", "foo"},
                                   {"A/foo", "A/bar"},
                                   {"A/foo", "B/foo"},
                                   {"bar", "foo"},
                                   {"A", "B"},
                                   {"A", "D"},
                                   {"B", "A"},
                                   {"B", "A/C"}})
        steps.push_back({.verb = Verb::rename, .path = from, .other = to});
    using Range = std::pair<std::uint64_t, std::uint64_t>;
    for (const char* file : {"foo", "bar", "A/foo"})
        for (const auto& [offset, size] : {Range{0, 100}, {100, 3000}, {4000, 8200}, {50000, 10}, {3000, 30000}})
            for (const bool stable : {false, true})
                steps.push_back({.verb = Verb::write, .path = file, .offset = offset, .size = size, .stable = stable});
    for (const char* file : {"foo", "A/foo"})
        for (const std::uint64_t size : {0, 50, 4096, 70000})
            steps.push_back({.verb = Verb::truncate, .path = file, .size = size});
    for (const char* file : {"foo", "A"}) steps.push_back({.verb = Verb::chmod, .path = file, .size = 0700});
    return steps;
}

Steps make_reuse_operations() {
    Steps steps;
    using Range = std::pair<std::uint64_t, std::uint64_t>;
    for (const auto& [offset, size] : {Range{0, 20000}, {3000, 30000}})
        for (const bool stable : {false, true})
            steps.push_back({.verb = Verb::write, .path = "foo", .offset = offset, .size = size, .stable = stable});
    steps.push_back({.verb = Verb::write, .path = "A/foo", .offset = 40000, .size = 17000});
    steps.push_back({.verb = Verb::write, .path = "foo", .offset = 9000, .size = 500, .stable = true});
    steps.push_back({.verb = Verb::truncate, .path = "foo", .size = 0});
    steps.push_back({.verb = Verb::truncate, .path = "foo", .size = 10000});
    steps.push_back({.verb = Verb::remove, .path = "foo"});
    steps.push_back({.verb = Verb::creat, .path = "foo"});
    steps.push_back({.verb = Verb::rename, .path = "A/foo", .other = "foo"});
    return steps;
}

const Steps& steps_of(Operations operations) {
    static const Steps ace = make_operations();
    static const Steps reuse = make_reuse_operations();
    return operations == Operations::ace ? ace : reuse;
}

// What may follow an operation; the first stands for nothing.
constexpr std::array persistence{Verb::creat, Verb::commit, Verb::settle, Verb::checkpoint, Verb::restart};

}  // namespace

const Steps& base_tree() {
    static const Steps steps{
        {.verb = Verb::creat, .path = "foo"},
        {.verb = Verb::write, .path = "foo", .offset = 0, .size = 100, .stable = true},
        {.verb = Verb::mkdir, .path = "A"},
        {.verb = Verb::creat, .path = "A/foo"},
        {.verb = Verb::write, .path = "A/foo", .offset = 0, .size = 10000, .stable = true},
        {.verb = Verb::mkdir, .path = "B"},
    };
    return steps;
}

AceSequences::AceSequences(unsigned length, std::uint64_t seed, Operations operations)
    : operations_(steps_of(operations)), length_(length), count_(1) {
    for (unsigned i = 0; i < length; ++i) count_ *= operations_.size() * persistence.size();
    std::mt19937_64 random(seed);
    start_ = random() % count_;
    do stride_ = random() % count_;
    while (std::gcd(stride_, count_) != 1);
}

Steps AceSequences::at(std::uint64_t index) const {
    auto number = static_cast<std::uint64_t>((static_cast<unsigned __int128>(index) * stride_ + start_) % count_);
    Steps steps;
    for (unsigned i = 0; i < length_; ++i) {
        steps.push_back(operations_[number % operations_.size()]);
        number /= operations_.size();
        const Verb then = persistence[number % persistence.size()];
        number /= persistence.size();
        if (then != persistence.front()) steps.push_back({.verb = then});
    }
    return steps;
}

Steps random_steps(unsigned length, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto below = [&](std::uint64_t limit) { return random() % limit; };
    constexpr std::array<const char*, 5> directories{"A", "B", "A/C", "B/D", "A/C/E"};
    const auto directory = [&] { return std::string(directories[below(directories.size())]); };
    const auto file = [&] {
        const std::string name(1, static_cast<char>('p' + below(4)));
        return below(3) == 0 ? name : directory() + "/" + name;
    };
    const auto any = [&] { return below(4) == 0 ? directory() : file(); };
    const auto offset = [&] { return below(3) == 0 ? below(30'000) : below(500); };
    const auto draw = [&]() -> Step {
        switch (below(20)) {
            case 0:
            case 1:
            case 2:
                return {.verb = Verb::creat, .path = file()};
            case 3:
            case 4:
                return {.verb = Verb::mkdir, .path = directory()};
            case 5:
                return {.verb = below(2) == 0 ? Verb::symlink : Verb::fifo, .path = file()};
            case 6:
                return {.verb = Verb::link, .path = file(), .other = file()};
            case 7:
            case 8:
                return {.verb = Verb::rename, .path = any(), .other = any()};
            case 9:
            case 10:
                return {.verb = Verb::remove, .path = file()};
            case 11:
                return {.verb = Verb::rmdir, .path = directory()};
            case 12:
                return {.verb = Verb::truncate, .path = file(), .size = offset()};
            case 13:
                return {.verb = Verb::chmod, .path = any(), .size = below(01000)};
            case 14:
                return {.verb = below(3) == 0 ? Verb::restart : Verb::commit};
            case 15:
                return {.verb = below(3) == 0 ? Verb::settle : Verb::checkpoint};
            default:
                return {.verb = Verb::write,
                        .path = below(3) == 0 ? "foo" : file(),
                        .offset = offset(),
                        .size = 1 + below(below(3) == 0 ? 40'000 : 200),
                        .stable = below(2) == 0};
        }
    };
    Steps steps;
    while (steps.size() < length) steps.push_back(draw());
    return steps;
}

}  // namespace lockstep::server::explore
