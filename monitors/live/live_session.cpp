#include "monitors/live/live_session.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <random>

#include "monitors/live/live_reader.hpp"
#include "monitors/live/marker.hpp"
#include "monitors/lttng/session_control.hpp"

namespace lockstep::monitors {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Marks that found no room in a full buffer are lost like other events, so they are fired anew until they arrive.
constexpr milliseconds mark_interval{20};
// A reader that is told to stop is at most in one exchange with the relay.
constexpr milliseconds reader_grace{500};

std::uint64_t reader_number() {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
}

// The relay remembers a session for a while after it was destroyed, and a reader finds the oldest of one name.
LiveSessionOptions with_unique_name(LiveSessionOptions options, std::uint64_t number) {
    options.name += "-" + std::to_string(number);
    return options;
}

SessionOptions session_options(const LiveSessionOptions& options) {
    return {options.name,         options.relay_url, options.live_timer, options.buffer_bytes,
            options.buffer_count, options.no_loss,   options.limit};
}

// Often enough that the relay's answer to the live timer waits for a quarter of it at most.
std::chrono::microseconds idle_interval(std::chrono::microseconds live_timer) {
    return std::clamp(live_timer / 4, std::chrono::microseconds(250), std::chrono::microseconds(2'500));
}

}  // namespace

struct LiveSession::State {
    std::uint64_t number = reader_number();
    LiveSessionOptions options;
    EventHandler& handler;
    SessionControl control;
    std::optional<Marker> marker;
    std::shared_ptr<LiveReader> reader;
    std::uint64_t round = 0;
    std::optional<std::uint64_t> counted_by_daemon;  // events that found no room
    std::optional<LiveResult> result;

    State(const LiveSessionOptions& chosen, EventHandler& receiver)
        : options(with_unique_name(chosen, number)), handler(receiver), control(session_options(options)) {}

    void start(const std::vector<WantedEvent>& events);
    bool mark_and_wait(steady_clock::time_point deadline);
    bool cpus_without_marker() const;
    void read_everything(steady_clock::time_point deadline);
    void ask_for_losses();
    void end_session();
    void count_losses();
    std::string why_incomplete() const;
};

void LiveSession::State::start(const std::vector<WantedEvent>& events) {
    control.enable_event("lockstep_live:mark");
    for (const WantedEvent& event : events) control.enable_event(event.provider + ":" + event.tracepoint);
    const auto program = options.marker_program.empty() ? default_marker_program() : options.marker_program;
    // Before the session starts: with a program registered, the session has streams from its beginning.
    marker.emplace(program, number, options.no_loss, options.limit);
    if (!options.vpids.empty()) {
        std::vector<std::uint32_t> vpids = options.vpids;
        vpids.push_back(static_cast<std::uint32_t>(marker->pid()));
        control.track(vpids);
    }
    control.start();

    LiveReader::Options reading;
    reading.viewer_url = options.viewer_url;
    reading.session = options.name;
    reading.wanted = events;
    reading.reader = number;
    reading.idle = idle_interval(options.live_timer);
    reading.limit = options.limit;
    reader = std::make_shared<LiveReader>(std::move(reading), handler);
    reader->start();
    if (!mark_and_wait(steady_clock::now() + options.limit)) throw LttngError("live session: " + why_incomplete());
}

bool LiveSession::State::mark_and_wait(steady_clock::time_point deadline) {
    const std::uint64_t first = round + 1;
    while (steady_clock::now() < deadline) {
        if (!marker->fire(++round)) return false;
        const auto until = std::min(deadline, steady_clock::now() + mark_interval);
        if (reader->wait_for_marks(first, marker->cpus(), until)) return true;
        if (reader->state() != LiveReader::State::reading) return false;
    }
    return false;
}

bool LiveSession::State::cpus_without_marker() const {
    return std::ranges::any_of(reader->seen_cpus(), [this](std::uint32_t cpu) {
        return std::ranges::find(marker->cpus(), cpu) == marker->cpus().end();
    });
}

void LiveSession::State::read_everything(steady_clock::time_point deadline) {
    result->complete = mark_and_wait(deadline);
    ask_for_losses();
    // Marks are quick. Where programs ran on CPUs that the marker may not use, only the session's end proves that all
    // was read.
    if (result->complete && (options.keep_trace || cpus_without_marker())) {
        end_session();
        result->complete = reader->wait_for_end(deadline);
    }
    if (!result->complete) result->problems.push_back(why_incomplete());
}

std::string LiveSession::State::why_incomplete() const {
    switch (reader->state()) {
        case LiveReader::State::failed:
            return "reading failed: " + reader->error();
        case LiveReader::State::ended:
            return "the session ended before everything was read";
        case LiveReader::State::reading:
            break;
    }
    return "not everything that was recorded arrived in time (a hanging daemon, or a program killed inside a "
           "tracepoint)";
}

void LiveSession::State::ask_for_losses() {
    try {
        counted_by_daemon = control.discarded_events();
    } catch (const LttngError& error) {
        result->problems.push_back(error.what());
    }
}

// What the stream reports may lag behind what the daemon has counted: packets tell only of losses before them.
void LiveSession::State::count_losses() {
    result->lost = reader->lost();
    result->losses = reader->losses();
    result->first_event_ns = reader->first_event_ns();
    result->lost_since_ns = reader->lost_since_ns();
    if (!counted_by_daemon) result->complete = false;
    if (counted_by_daemon.value_or(0) <= result->lost) return;
    handler.on_loss({*counted_by_daemon - result->lost, 0, 0});
    result->lost = *counted_by_daemon;
    ++result->losses;
}

void LiveSession::State::end_session() {
    try {
        control.destroy();
    } catch (const LttngError& error) {
        result->problems.push_back(error.what());
    }
}

LiveSession::LiveSession(const LiveSessionOptions& options, std::vector<WantedEvent> events, EventHandler& handler)
    : state_(std::make_unique<State>(options, handler)) {
    try {
        state_->start(events);
    } catch (...) {
        if (state_->reader) state_->reader->stop(reader_grace);
        throw;
    }
}

LiveSession::~LiveSession() {
    if (state_->reader) state_->reader->stop(reader_grace);
}

LiveResult LiveSession::finish(milliseconds deadline) {
    State& state = *state_;
    if (state.result) return *state.result;
    LiveResult& result = state.result.emplace();
    state.read_everything(steady_clock::now() + deadline);
    if (!state.reader->stop(reader_grace)) result.problems.push_back("the relay hangs; its reader was left behind");
    for (const std::string& mismatch : state.reader->mismatches()) result.problems.push_back(mismatch);
    result.events = state.reader->events();
    state.count_losses();
    state.marker.reset();
    state.end_session();
    return result;
}

std::uint64_t LiveSession::events() const {
    return state_->reader->events();
}

bool LiveSession::reading() const {
    return state_->reader->state() == LiveReader::State::reading;
}

}  // namespace lockstep::monitors
