#include "netns_harness/call_times.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace lockstep::harness {
namespace {

// Returns whether the line is whole.
bool parse(const std::string& line, std::uint64_t& interval, CallHistogram& calls) {
    std::istringstream words(line);
    if (!(words >> interval >> calls.unanswered)) return false;
    for (std::string word; words >> word;) {
        unsigned bucket = 0;
        unsigned long long count = 0;
        if (std::sscanf(word.c_str(), "%u:%llu", &bucket, &count) != 2) return false;
        calls.buckets[bucket] += count;
        calls.answered += count;
    }
    return true;
}

}  // namespace

void add_calls(CallIntervals& intervals, const std::filesystem::path& file) {
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
        std::uint64_t interval = 0;
        CallHistogram calls;
        if (!lines.eof() && parse(line, interval, calls)) intervals[interval].add(calls);
    }
}

CallSeries series_of(const CallIntervals& intervals, std::uint64_t start_ns, std::uint64_t end_ns) {
    CallSeries series;
    CallHistogram all;
    for (const auto& [number, calls] : intervals) all.add(calls);
    series.answered = all.answered;
    series.unanswered = all.unanswered;
    series.p50_us = all.quantile_us(0.5);
    series.p99_us = all.quantile_us(0.99);
    if (intervals.empty()) return series;
    for (std::uint64_t number = start_ns / call_interval_ns; number * call_interval_ns < end_ns; ++number) {
        const std::uint64_t begin = std::max(start_ns, number * call_interval_ns);
        const std::uint64_t end = std::min(end_ns, (number + 1) * call_interval_ns);
        const auto found = intervals.find(number);
        const CallHistogram calls = found != intervals.end() ? found->second : CallHistogram{};
        series.intervals.push_back({(end - start_ns) / 1'000'000, (end - begin) / 1'000'000, calls.answered,
                                    calls.unanswered, calls.quantile_us(0.5), calls.quantile_us(0.99)});
    }
    return series;
}

}  // namespace lockstep::harness
