// A live session that somebody else made and goes on using, on this machine or another: it is read from its relay.
//
// There is no marker in it, so how far it was read is known by time: LTTng tells the time even when nothing happens.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "monitors/live/live_session.hpp"

namespace lockstep::monitors {

class LiveReader;

struct JoinedSessionOptions {
    // "net://HOST[:PORT]/host/HOSTNAME/SESSION", as babeltrace2 takes it; PORT: the relay's for viewers, 5344.
    std::string url;
    // How long the session may take to appear with one of the tracepoints in its metadata.
    std::chrono::milliseconds limit{10'000};
};

class JoinedSession final : public LiveEvents {
 public:
    // Returns when reading has begun: with the newest packets of the session, so the first events may be older than the
    // call. `handler`: as for LiveSession. Throws LttngError: the URL makes no sense, no relay, no such session, or it
    // records none of the tracepoints.
    JoinedSession(const JoinedSessionOptions& options, std::vector<WantedEvent> events, EventHandler& handler);
    ~JoinedSession() override;
    JoinedSession(const JoinedSession&) = delete;
    JoinedSession& operator=(const JoinedSession&) = delete;

    // Takes a second longer than the events need. Complete also when the session ended and was read to its end.
    LiveResult finish(std::chrono::milliseconds deadline = std::chrono::seconds(10)) override;
    // There is no such thing: where the relay writes, and whether it does, is its owner's affair.
    LiveResult read_again(EventHandler& handler, std::chrono::milliseconds deadline) override;
    std::uint64_t events() const override;
    bool reading() const override;

 private:
    std::shared_ptr<LiveReader> reader_;
    bool finished_ = false;
    LiveResult result_;
};

}  // namespace lockstep::monitors
