#include "monitors/offline/offline_verifier.hpp"

#include "monitors/trace/babeltrace_source.hpp"

namespace lockstep::monitors {

OfflineResult verify_trace(const std::filesystem::path& directory, const std::vector<Monitor*>& monitors) {
    MonitorFeed feed(monitors);
    const auto source = BabeltraceSource::open_directory(directory, feed.wanted());
    OfflineResult result;
    try {
        while (source->read(feed) != EventSource::Status::end) {
        }
        result.complete = true;
    } catch (const TraceError& error) {
        result.problems.push_back(error.what());
        for (Monitor* monitor : monitors) monitor->lose(0);
    }
    feed.finish();
    result.events = feed.events();
    result.lost = feed.lost();
    result.losses = feed.losses();
    result.first_event_ns = feed.first_event_ns();
    result.lost_since_ns = feed.lost_since_ns();
    result.problems.insert(result.problems.end(), feed.mismatches().begin(), feed.mismatches().end());
    return result;
}

}  // namespace lockstep::monitors
