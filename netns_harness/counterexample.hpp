// A violation explained to a person: in a few sentences, and as lanes in time, a column a host.
#pragma once

#include <string>
#include <vector>

#include "netns_harness/result.hpp"

namespace lockstep::harness {

// The run that a violation is of: who is where, and when it began.
struct RunView {
    const std::vector<HostInfo>& hosts;
    std::uint64_t start_ns;
};

// An event in short: "grant client1/2 [4000, 4010] EX", without the fields that are keys of the context. Byte ranges
// and the DLM's lock modes are written as people do; other fields as "name=value".
std::string describe(const ContextEvent& event, const std::vector<Field>& keys);

// What happened, a line each: which context, which event, what state, what it conflicts with and on which hosts, what
// would have been allowed.
std::vector<std::string> explain(const Violation& violation, const RunView& run);

// The same in one line: when, which context, which event, and what it conflicts with.
std::string in_short(const Violation& violation, const RunView& run);

// The events that led there, in time order, in lanes, the violating one marked with ✗, those of
// the owners that it conflicts with, with •. `columns`: the width to fill.
std::vector<std::string> draw_lanes(const Violation& violation, const RunView& run, unsigned columns);

}  // namespace lockstep::harness
