// What makes a verdict of live verification doubtful: its own word, and the clients' count of what they fired.
#pragma once

#include <string>
#include <vector>

#include "monitors/live/live_session.hpp"
#include "netns_harness/observer.hpp"

namespace lockstep::cli {

// Reasons, in words, why silence of the live monitors proves nothing; empty when every event that concerned them was
// read. `wanted`: the tracepoints that they listen to, "provider:name". The clients count what they fire of lock_api;
// what others fire nobody counts, so with other providers among `wanted` more may arrive than was counted, but never
// fewer.
std::vector<std::string> doubts_of(const monitors::LiveResult& seen, std::vector<std::string> wanted,
                                   const harness::FiredCounts& fired, harness::Counting counting);

}  // namespace lockstep::cli
