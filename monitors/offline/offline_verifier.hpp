// Offline verification: a recorded trace goes to monitors, as if they had been there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "monitors/runtime/monitor.hpp"
#include "monitors/trace/event_source.hpp"
#include "monitors/trace/monitor_feed.hpp"

namespace lockstep::monitors {

// What was read of a trace.
struct OfflineResult {
    bool complete = false;              // read to its end
    std::uint64_t events = 0;           // delivered
    std::uint64_t lost = 0;             // reported lost by the trace
    std::uint64_t losses = 0;           // separate reports of loss
    std::uint64_t first_event_ns = 0;   // by the trace's clock; 0: none
    std::uint64_t lost_since_ns = 0;    // when the first loss began, by the same clock; 0: none, or unknown
    std::vector<std::string> problems;  // where reading stopped and why, tracepoints that could not be decoded
};

// There is a CTF trace in `directory` or below it, however damaged.
bool holds_trace(const std::filesystem::path& directory);

// Reads the CTF trace in `directory`, or all traces below it in one order, and delivers to `monitors` (borrowed). Loss,
// a trace that is cut off or damaged, and undecodable tracepoints make monitors inconclusive (Monitor::lose), also
// one so damaged that nothing of it can be read. Throws TraceError when there is no trace at all.
OfflineResult verify_trace(const std::filesystem::path& directory, const std::vector<Monitor*>& monitors);

}  // namespace lockstep::monitors
