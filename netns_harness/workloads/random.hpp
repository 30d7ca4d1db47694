// Choices from a seed that are the same on every machine and with every standard library.
#pragma once

#include <cstdint>

namespace lockstep::workloads {

// splitmix64. One thread.
class Random {
 public:
    // Each `stream` of one seed is a sequence of its own: give every owner a number.
    Random(std::uint64_t seed, std::uint64_t stream) : state_(seed ^ (stream * 0x9e3779b97f4a7c15U)) { next(); }

    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31U);
    }

    // 0 to limit - 1, evenly; limit at least 1.
    std::uint64_t below(std::uint64_t limit) {
        return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * limit) >> 64U);
    }

    bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
    std::uint64_t state_;
};

}  // namespace lockstep::workloads
