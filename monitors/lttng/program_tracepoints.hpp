// The tracepoints of running LTTng-UST programs, as a session daemon knows them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "monitors/lttng/lttng_error.hpp"

namespace lockstep::monitors {

struct ProgramField {
    std::string name;
    std::string type;  // "integer", "string", "enumeration", "float", "other": more the daemon does not tell
};

struct ProgramTracepoint {
    std::uint32_t vpid = 0;  // of the program, as it sees itself
    std::string name;        // "provider:tracepoint"
    std::vector<ProgramField> fields;
};

// Every tracepoint of every program that has registered with the user's session daemon, in its order. Throws
// LttngError, also when no daemon answers within `limit`.
std::vector<ProgramTracepoint> program_tracepoints(std::chrono::milliseconds limit = std::chrono::seconds(10));

// The names of tracepoints that a recording session of this user has enabled, with LTTng's wildcards. Throws
// LttngError, also when there is no such session.
std::vector<std::string> session_tracepoints(const std::string& session,
                                             std::chrono::milliseconds limit = std::chrono::seconds(10));

}  // namespace lockstep::monitors
