#include "monitors/live/live_verifier.hpp"

namespace lockstep::monitors {

LiveVerifier::LiveVerifier(const LiveSessionOptions& options, std::vector<Monitor*> monitors,
                           const std::vector<std::string>& counted)
    : monitors_(std::move(monitors)),
      counted_(counted),
      feed_(monitors_, counted),
      session_(std::make_unique<LiveSession>(options, feed_.wanted(), feed_)) {}

LiveVerifier::LiveVerifier(const JoinedSessionOptions& options, std::vector<Monitor*> monitors)
    : monitors_(std::move(monitors)),
      feed_(monitors_),
      session_(std::make_unique<JoinedSession>(options, feed_.wanted(), feed_)) {}

LiveResult LiveVerifier::finish(std::chrono::milliseconds deadline) {
    const LiveResult result = session_->finish(deadline);
    feed_.finish();
    if (!result.complete && !finished_)
        for (Monitor* monitor : monitors_) monitor->lose(0);
    finished_ = true;
    return result;
}

LiveResult LiveVerifier::judge_again(const LiveResult& seen, const std::vector<Monitor*>& fresh,
                                     std::chrono::milliseconds deadline) {
    MonitorFeed feed(fresh, counted_);
    LiveResult again = session_->read_again(feed, deadline);
    feed.finish();
    if (again.complete) return again;
    LiveResult result = seen;
    result.problems.insert(result.problems.end(), again.problems.begin(), again.problems.end());
    return result;
}

}  // namespace lockstep::monitors
