// Conflict serialisability of the transactions in a recorded trace, from the tracepoints of txn.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "monitors/offline/offline_verifier.hpp"
#include "monitors/runtime/monitor.hpp"
#include "monitors/serialisability/serialisability.hpp"

namespace lockstep::monitors {

struct SerialisabilityResult {
    OfflineResult reading;
    Verdict verdict = Verdict::inconclusive;
    std::vector<std::string> reasons;  // why it is inconclusive
    std::uint64_t transactions = 0;    // committed, and judged
    std::uint64_t running = 0;         // not ended where the trace ends
    std::uint64_t violations = 0;
    std::vector<SerialisabilityViolation> first_violations;
};

// Reads the trace as verify_trace does, and judges each process of it for itself. Violated when a cycle was found. Else
// inconclusive when events were lost or could not be decoded, the trace is damaged, or it has no event of one of the
// tracepoints that are needed: reads, writes, begins and commits. Throws TraceError when there is no trace that can be
// opened.
SerialisabilityResult judge_serialisability(const std::filesystem::path& directory);

}  // namespace lockstep::monitors
