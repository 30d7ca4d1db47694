#include "monitors/offline/offline_verifier.hpp"

#include "monitors/trace/babeltrace_source.hpp"
#include "monitors/trace/index_check.hpp"

namespace lockstep::monitors {

bool holds_trace(const std::filesystem::path& directory) {
    std::error_code error;
    if (std::filesystem::exists(directory / "metadata", error)) return true;
    for (std::filesystem::recursive_directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error))
        if (entry->path().filename() == "metadata") return true;
    return false;
}

OfflineResult verify_trace(const std::filesystem::path& directory, const std::vector<Monitor*>& monitors) {
    MonitorFeed feed(monitors);
    OfflineResult result;
    try {
        const auto source = BabeltraceSource::open_directory(directory, feed.wanted());
        while (source->read(feed) != EventSource::Status::end) {
        }
        result.complete = true;
    } catch (const TraceError& error) {
        if (!holds_trace(directory)) throw;
        result.problems.push_back(error.what());
        for (Monitor* monitor : monitors) monitor->lose(0);
    }
    if (const auto cut = streams_cut_off(directory); !cut.empty()) {
        result.complete = false;
        result.problems.insert(result.problems.end(), cut.begin(), cut.end());
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
