// Live verification: what a LiveSession reads goes to monitors.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "monitors/live/joined_session.hpp"
#include "monitors/live/live_session.hpp"
#include "monitors/runtime/monitor.hpp"
#include "monitors/trace/monitor_feed.hpp"

namespace lockstep::monitors {

// Enables exactly the tracepoints that the monitors are bound to and delivers their events. Loss, an incomplete read,
// or a tracepoint that could not be decoded makes the monitors inconclusive (Monitor::lose), never silently ok. The
// monitors are borrowed and must outlive the verifier; ask them for verdicts and violations at any time.
class LiveVerifier {
 public:
    // As LiveSession's constructor: when it returns, every event fired from now on is seen. Throws LttngError.
    // `counted`: tracepoints, "provider:name", that count_of() is to be asked for.
    LiveVerifier(const LiveSessionOptions& options, std::vector<Monitor*> monitors,
                 const std::vector<std::string>& counted = {});

    // As JoinedSession's constructor: a session that somebody else made. Throws LttngError.
    LiveVerifier(const JoinedSessionOptions& options, std::vector<Monitor*> monitors);

    // As LiveSession::finish(); afterwards the monitors' verdicts are final.
    LiveResult finish(std::chrono::milliseconds deadline = std::chrono::seconds(10));

    // After finish() with `seen`, which is `recorded`: fresh monitors of the same properties judge the whole again.
    // When all of it was read, which read_again_because tells, their verdicts are final and those of the former mean
    // nothing. Else the former's stand, for a violation that was seen is one, and the result is `seen` with what went
    // wrong.
    LiveResult judge_again(const LiveResult& seen, const std::vector<Monitor*>& fresh,
                           std::chrono::milliseconds deadline = std::chrono::minutes(2));

    // MonitorFeed::count_of().
    std::uint64_t count_of(const std::string& tracepoint) const { return feed_.count_of(tracepoint); }

    const LiveEvents& session() const { return *session_; }

 private:
    std::vector<Monitor*> monitors_;
    std::vector<std::string> counted_;
    MonitorFeed feed_;
    std::unique_ptr<LiveEvents> session_;
    bool finished_ = false;
};

}  // namespace lockstep::monitors
