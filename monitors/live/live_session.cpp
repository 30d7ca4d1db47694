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
// Rounds of marks before recording is stopped for good: one that finds no room is lost like other events.
constexpr unsigned last_rounds = 3;

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
    EventHandler* handler;
    SessionControl control;
    std::optional<Marker> marker;
    std::shared_ptr<LiveReader> reader;
    std::vector<WantedEvent> wanted;
    std::vector<std::uint32_t> cpus;  // that the marker fires on
    std::uint64_t round = 0;
    std::uint64_t last_round = 0;                    // the first of the last rounds
    std::optional<std::uint64_t> counted_by_daemon;  // events that found no room
    std::optional<LiveResult> result;

    State(const LiveSessionOptions& chosen, EventHandler& receiver)
        : options(with_unique_name(chosen, number)), handler(&receiver), control(session_options(options)) {}

    void start(const std::vector<WantedEvent>& events);
    bool mark_and_wait(steady_clock::time_point deadline);
    bool cpus_without_marker() const;
    void read_everything(steady_clock::time_point deadline);
    void bring_to_disk(steady_clock::time_point deadline);
    std::filesystem::path recorded() const;
    void take_from_reader();
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
    cpus = marker->cpus();
    if (!options.vpids.empty()) {
        std::vector<std::uint32_t> vpids = options.vpids;
        vpids.push_back(static_cast<std::uint32_t>(marker->pid()));
        control.track(vpids);
    }
    control.start();

    wanted = events;
    LiveReader::Options reading;
    reading.viewer_url = options.viewer_url;
    reading.session = options.name;
    reading.wanted = events;
    reading.reader = number;
    reading.idle = idle_interval(options.live_timer);
    reading.limit = options.limit;
    reader = std::make_shared<LiveReader>(std::move(reading), *handler);
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
    if (reader->state() == LiveReader::State::failed && !options.recorded_below.empty()) bring_to_disk(deadline);
}

// The last marks are fired before recording stops, so that reading again knows whether it has seen everything.
void LiveSession::State::bring_to_disk(steady_clock::time_point deadline) {
    last_round = round + 1;
    for (unsigned i = 0; i < last_rounds; ++i)
        if (!marker->fire_and_wait(++round, std::chrono::ceil<milliseconds>(deadline - steady_clock::now()))) return;
    try {
        control.stop();
        result->recorded = !recorded().empty();
    } catch (const LttngError& error) {
        result->problems.push_back(error.what());
    }
}

// The relay's folder of this session: HOST/NAME-DATE-TIME below its own. Empty: there is none.
std::filesystem::path LiveSession::State::recorded() const {
    std::error_code error;
    std::filesystem::recursive_directory_iterator entry(options.recorded_below, error);
    for (; !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error))
        if (entry->is_directory() && entry->path().filename().string().starts_with(options.name)) return entry->path();
    return {};
}

void LiveSession::State::take_from_reader() {
    if (!reader->stop(LiveReader::grace)) result->problems.push_back("the relay hangs; its reader was left behind");
    for (const std::string& mismatch : reader->mismatches()) result->problems.push_back(mismatch);
    result->events = reader->events();
    count_losses();
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
    handler->on_loss({*counted_by_daemon - result->lost, 0, 0});
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
        if (state_->reader) state_->reader->stop(LiveReader::grace);
        throw;
    }
}

LiveSession::~LiveSession() {
    if (state_->reader) state_->reader->stop(LiveReader::grace);
}

LiveResult LiveSession::finish(milliseconds deadline) {
    State& state = *state_;
    if (state.result) return *state.result;
    LiveResult& result = state.result.emplace();
    state.read_everything(steady_clock::now() + deadline);
    state.take_from_reader();
    state.marker.reset();
    state.end_session();
    return result;
}

LiveResult LiveSession::read_again(EventHandler& handler, milliseconds deadline) {
    State& state = *state_;
    if (!state.result || !state.result->recorded) return state.result.value_or(LiveResult{});
    LiveReader::Options reading;
    reading.session = state.options.name;
    reading.wanted = state.wanted;
    reading.reader = state.number;
    reading.recorded = state.recorded();
    state.reader = std::make_shared<LiveReader>(std::move(reading), handler);
    state.reader->start();

    const std::string why = state.result->problems.empty() ? "" : state.result->problems.front();
    LiveResult& result = state.result.emplace();
    result.read_again_because = why;
    const auto now = steady_clock::now();
    result.complete =
        state.reader->wait_for_end(now + deadline) && state.reader->wait_for_marks(state.last_round, state.cpus, now);
    if (!result.complete) result.problems.push_back(state.why_incomplete());
    state.handler = &handler;
    state.take_from_reader();
    return result;
}

std::uint64_t LiveSession::events() const {
    return state_->reader->events();
}

bool LiveSession::reading() const {
    return state_->reader->state() == LiveReader::State::reading;
}

}  // namespace lockstep::monitors
