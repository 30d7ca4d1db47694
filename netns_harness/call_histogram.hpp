// How long calls took: the form in which workloads write it down while they go on, and the harness reads it afterwards.
// A line of such a file is an interval of 100 ms in which calls ended: its number since CLOCK_MONOTONIC's beginning,
// how many calls were not answered, and BUCKET:COUNT for each bucket of times that has calls. An eighth of a power of
// two of microseconds is a bucket: a time is known to a sixteenth.
#pragma once

#include <bit>
#include <cstdint>
#include <map>

namespace lockstep {

inline constexpr std::uint64_t call_interval_ns = 100'000'000;

constexpr unsigned call_bucket(std::uint64_t time_us) {
    constexpr unsigned exact = 8;  // below, a microsecond is a bucket
    if (time_us < exact) return static_cast<unsigned>(time_us);
    const auto octave = static_cast<unsigned>(std::bit_width(time_us)) - 1;
    return (octave - 2) * exact + static_cast<unsigned>((time_us >> (octave - 3)) & (exact - 1));
}

// The middle of the times that fall into it, in microseconds.
constexpr double call_bucket_us(unsigned bucket) {
    constexpr unsigned exact = 8;
    if (bucket < exact) return bucket;
    const unsigned octave = bucket / exact + 2;
    const double width = static_cast<double>(std::uint64_t{1} << (octave - 3));
    return width * (exact + bucket % exact + 0.5);
}

// Calls that ended in an interval, or in all of them.
struct CallHistogram {
    std::map<unsigned, std::uint64_t> buckets;
    std::uint64_t answered = 0;
    std::uint64_t unanswered = 0;

    void add(const CallHistogram& other) {
        for (const auto& [bucket, count] : other.buckets) buckets[bucket] += count;
        answered += other.answered;
        unanswered += other.unanswered;
    }

    // The time within which this part (0 to 1) of the answers came, in microseconds; 0 when there was none.
    double quantile_us(double part) const {
        std::uint64_t seen = 0;
        for (const auto& [bucket, count] : buckets) {
            seen += count;
            if (static_cast<double>(seen) >= part * static_cast<double>(answered)) return call_bucket_us(bucket);
        }
        return 0;
    }
};

}  // namespace lockstep
