#include "monitors/offline/trace_judge.hpp"

#include <fmt/format.h>

#include "monitors/trace/index_check.hpp"

namespace lockstep::monitors {

void TraceJudge::read_trace(const std::filesystem::path& directory, const std::vector<WantedEvent>& wanted) {
    try {
        const auto source = BabeltraceSource::open_directory(directory, wanted);
        while (source->read(*this) != EventSource::Status::end) {
        }
        reading_.complete = true;
    } catch (const TraceError& error) {
        if (!holds_trace(directory)) throw;
        reading_.problems.push_back(error.what());
    }
    if (const auto cut = streams_cut_off(directory); !cut.empty()) {
        reading_.complete = false;
        reading_.problems.insert(reading_.problems.end(), cut.begin(), cut.end());
    }
}

void TraceJudge::on_loss(const Loss& loss) {
    reading_.lost += loss.events;
    ++reading_.losses;
}

void TraceJudge::on_mismatch(std::size_t, const std::string& why) {
    reading_.problems.push_back(why);
}

void TraceJudge::add_doubts(std::vector<std::string>& reasons) const {
    if (reading_.losses > 0) reasons.push_back(fmt::format("{} events were lost", reading_.lost));
    if (!reading_.complete) reasons.emplace_back("the trace could not be read to its end");
    reasons.insert(reasons.end(), reading_.problems.begin(), reading_.problems.end());
}

}  // namespace lockstep::monitors
