// What the clients wrote down of their calls, put together: throughput and latency over the time of a run.
#pragma once

#include <filesystem>
#include <vector>

#include "netns_harness/call_histogram.hpp"
#include "netns_harness/result.hpp"

namespace lockstep::harness {

// Adds what a program wrote, by interval; a file that is not there adds nothing, a line that a kill cut short is
// passed over.
using CallIntervals = std::map<std::uint64_t, CallHistogram>;
void add_calls(CallIntervals& intervals, const std::filesystem::path& file);

// The intervals between `start_ns` and `end_ns` (CLOCK_MONOTONIC), those without a call too, of which the first and the
// last may be shorter.
CallSeries series_of(const CallIntervals& intervals, std::uint64_t start_ns, std::uint64_t end_ns);

}  // namespace lockstep::harness
