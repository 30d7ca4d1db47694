#include "monitors/live/live_reader.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "monitors/live/relay_probe.hpp"
#include "monitors/live/relay_proxy.hpp"
#include "monitors/trace/babeltrace_source.hpp"
#include "monitors/trace/index_check.hpp"

namespace lockstep::monitors {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds retry_interval{2};
// So much older are the times of silent streams (relay_proxy.hpp): longer than a thread is kept between reading the
// clock and reserving its place, unless the machine has far too much to do.
constexpr std::chrono::milliseconds slack{10};
constexpr std::size_t mark = 0;  // index of the mark among the wanted events; the caller's follow

std::uint64_t steady_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(steady_clock::now().time_since_epoch()).count());
}

std::vector<WantedEvent> with_mark(const std::vector<WantedEvent>& wanted) {
    std::vector<WantedEvent> all = {{"lockstep_live",
                                     "mark",
                                     {{"reader", FieldType::unsigned_integer},
                                      {"round", FieldType::unsigned_integer},
                                      {"cpu", FieldType::unsigned_integer}}}};
    all.insert(all.end(), wanted.begin(), wanted.end());
    return all;
}

std::string this_host() {
    char host[256] = {};
    gethostname(host, sizeof host - 1);
    return host;
}

// Signals sent to the process are the other threads' to handle.
void block_signals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

}  // namespace

LiveReader::LiveReader(Options options, EventHandler& handler) : options_(std::move(options)), handler_(&handler) {}

void LiveReader::start() {
    std::thread([self = shared_from_this()] {
        block_signals();
        self->run();
    }).detach();
}

void LiveReader::run() {
    try {
        if (options_.recorded.empty())
            read_session();
        else
            read_recorded();
        end(State::ended, "");
    } catch (const std::exception& error) {
        end(State::failed, error.what());
    }
    std::lock_guard hold(mutex_);
    thread_ended_ = true;
    changed_.notify_all();
}

// The relay may not have let go of the probe yet when the source attaches; as long as nothing was read, that is tried
// anew.
void LiveReader::read_session() {
    const auto deadline = steady_clock::now() + options_.limit;
    if (!wait_for_metadata(deadline)) return;
    for (;;) {
        try {
            // The relay's answers come through the proxy as long as the source lives.
            const RelayProxy proxy(options_.viewer_url, slack, options_.limit);
            const auto source = BabeltraceSource::open_live(proxy.viewer_url() + "/host/" +
                                                                (joined() ? options_.joined_host : this_host()) + "/" +
                                                                options_.session,
                                                            with_mark(options_.wanted));
            if (!read_until_idle_or_end(*source) || !nothing_read()) return;
        } catch (const TraceError&) {
            if (!nothing_read() || steady_clock::now() > deadline) throw;
        }
        if (steady_clock::now() > deadline)
            throw TraceError(options_.session + ": the relay does not know this session");
        if (stopping_after(retry_interval)) return;
    }
}

void LiveReader::read_recorded() {
    const auto source = BabeltraceSource::open_directory(options_.recorded, with_mark(options_.wanted));
    if (!read_until_idle_or_end(*source)) return;
    const auto cut_off = streams_cut_off(options_.recorded);
    if (!cut_off.empty()) throw TraceError(cut_off.front());
}

// False when told to stop.
bool LiveReader::wait_for_metadata(steady_clock::time_point deadline) {
    while (!metadata_is_there()) {
        if (steady_clock::now() > deadline)
            throw TraceError(options_.session + ": the relay at " + options_.viewer_url +
                             (!joined() ? " has no metadata of this session"
                                        : " knows no such session, or it records none of the tracepoints"));
        if (stopping_after(retry_interval)) return false;
    }
    return true;
}

bool LiveReader::metadata_is_there() const {
    const auto has = [this](const std::string& event) {
        return metadata_has_event(options_.viewer_url, options_.session, event, options_.limit);
    };
    if (!joined()) return has("lockstep_live:mark");
    return std::ranges::any_of(options_.wanted,
                               [&](const WantedEvent& event) { return has(event.provider + ":" + event.tracepoint); });
}

bool LiveReader::nothing_read() const {
    std::lock_guard hold(mutex_);
    return rounds_.empty() && time_ns_ == 0 && events_.load(std::memory_order_relaxed) == 0 && losses_ == 0;
}

// False when told to stop, true at the session's end.
bool LiveReader::read_until_idle_or_end(EventSource& source) {
    for (;;) {
        switch (source.read(*this)) {
            case EventSource::Status::more:
                if (stopping_after(std::chrono::microseconds(0))) return false;
                break;
            case EventSource::Status::again:
                if (stopping_after(options_.idle)) return false;
                break;
            case EventSource::Status::end:
                return true;
        }
    }
}

bool LiveReader::stopping_after(std::chrono::microseconds pause) {
    std::unique_lock lock(mutex_);
    if (pause.count() > 0) changed_.wait_for(lock, pause, [this] { return stopping_; });
    return stopping_;
}

void LiveReader::end(State state, const std::string& error) {
    std::lock_guard hold(mutex_);
    state_ = state;
    error_ = error;
    changed_.notify_all();
}

void LiveReader::on_event(std::size_t wanted, const Slot* slots, const Origin& origin) {
    std::lock_guard hold(mutex_);
    note_time(origin.time_ns);
    if (wanted == mark) {
        if (slots[0].unsigned_integer != options_.reader) return;
        if (handler_ != nullptr) handler_->on_time(origin.time_ns);
        rounds_[static_cast<std::uint32_t>(slots[2].unsigned_integer)] = slots[1].unsigned_integer;
        changed_.notify_all();
        return;
    }
    if (handler_ == nullptr) return;
    if (origin.cpu >= seen_cpus_.size()) seen_cpus_.resize(origin.cpu + 1);
    seen_cpus_[origin.cpu] = true;
    events_.fetch_add(1, std::memory_order_relaxed);
    if (first_event_ns_ == 0) first_event_ns_ = origin.time_ns;
    handler_->on_event(wanted - 1, slots, origin);
}

void LiveReader::on_loss(const Loss& loss) {
    std::lock_guard hold(mutex_);
    lost_ += loss.events;
    ++losses_;
    if (lost_since_ns_ == 0) lost_since_ns_ = loss.begin_ns;
    if (handler_ != nullptr) handler_->on_loss(loss);
}

void LiveReader::on_time(std::uint64_t time_ns) {
    std::lock_guard hold(mutex_);
    note_time(time_ns);
    if (handler_ != nullptr) handler_->on_time(time_ns);
}

// Called with the mutex held.
void LiveReader::note_time(std::uint64_t time_ns) {
    if (time_ns <= time_ns_) return;
    time_ns_ = time_ns;
    if (joined()) shortest_delay_ns_ = std::min(shortest_delay_ns_, static_cast<std::int64_t>(steady_ns() - time_ns));
    changed_.notify_all();
}

void LiveReader::on_mismatch(std::size_t wanted, const std::string& why) {
    std::lock_guard hold(mutex_);
    mismatches_.push_back(why);
    if (handler_ != nullptr && wanted != mark) handler_->on_mismatch(wanted - 1, why);
}

bool LiveReader::wait_for_marks(std::uint64_t round, const std::vector<std::uint32_t>& cpus,
                                steady_clock::time_point deadline) {
    const auto arrived = [&] {
        return std::ranges::all_of(cpus, [&](std::uint32_t cpu) {
            const auto latest = rounds_.find(cpu);
            return latest != rounds_.end() && latest->second >= round;
        });
    };
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline, [&] { return arrived() || state_ != State::reading; });
    return arrived();
}

bool LiveReader::wait_for_begin(steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline, [this] { return time_ns_ != 0 || state_ != State::reading; });
    return time_ns_ != 0 || state_ == State::ended;
}

bool LiveReader::wait_for_now(steady_clock::time_point deadline) {
    constexpr std::uint64_t slack_ns = 1'000'000'000;
    const std::uint64_t asked_ns = steady_ns();
    std::unique_lock lock(mutex_);
    const auto read = [&] {
        return time_ns_ != 0 && time_ns_ >= asked_ns - static_cast<std::uint64_t>(shortest_delay_ns_) + slack_ns;
    };
    changed_.wait_until(lock, deadline, [&] { return read() || state_ != State::reading; });
    return read() || state_ == State::ended;
}

bool LiveReader::wait_for_end(steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline, [this] { return state_ != State::reading; });
    return state_ == State::ended;
}

bool LiveReader::stop(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    handler_ = nullptr;
    changed_.notify_all();
    return changed_.wait_for(lock, limit, [this] { return thread_ended_; });
}

LiveReader::State LiveReader::state() const {
    std::lock_guard hold(mutex_);
    return state_;
}

std::string LiveReader::error() const {
    std::lock_guard hold(mutex_);
    return error_;
}

std::uint64_t LiveReader::lost() const {
    std::lock_guard hold(mutex_);
    return lost_;
}

std::uint64_t LiveReader::losses() const {
    std::lock_guard hold(mutex_);
    return losses_;
}

std::uint64_t LiveReader::lost_since_ns() const {
    std::lock_guard hold(mutex_);
    return lost_since_ns_;
}

std::uint64_t LiveReader::first_event_ns() const {
    std::lock_guard hold(mutex_);
    return first_event_ns_;
}

std::vector<std::string> LiveReader::mismatches() const {
    std::lock_guard hold(mutex_);
    return mismatches_;
}

std::vector<std::uint32_t> LiveReader::seen_cpus() const {
    std::lock_guard hold(mutex_);
    std::vector<std::uint32_t> cpus;
    for (std::uint32_t cpu = 0; cpu < seen_cpus_.size(); ++cpu)
        if (seen_cpus_[cpu]) cpus.push_back(cpu);
    return cpus;
}

}  // namespace lockstep::monitors
