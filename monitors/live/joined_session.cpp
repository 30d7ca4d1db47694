#include "monitors/live/joined_session.hpp"

#include "monitors/live/live_reader.hpp"

namespace lockstep::monitors {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr char default_viewer_port[] = "5344";

struct SessionUrl {
    std::string relay;    // "net://HOST:PORT"
    std::string host;     // HOSTNAME
    std::string session;  // SESSION
};

SessionUrl parse(const std::string& url) {
    constexpr std::string_view scheme = "net://", middle = "/host/";
    const std::size_t host = url.find(middle);
    const std::size_t session = host == std::string::npos ? host : url.find('/', host + middle.size());
    if (!url.starts_with(scheme) || session == std::string::npos || host == scheme.size() || session + 1 == url.size())
        throw LttngError(url + ": a session's URL is net://HOST[:PORT]/host/HOSTNAME/SESSION");
    SessionUrl parsed{url.substr(0, host), url.substr(host + middle.size(), session - host - middle.size()),
                      url.substr(session + 1)};
    const std::size_t bracket = parsed.relay.rfind(']');  // of an IPv6 address
    const std::size_t colon = parsed.relay.rfind(':');
    if (colon < scheme.size() || (bracket != std::string::npos && colon < bracket))
        parsed.relay += std::string(":") + default_viewer_port;
    return parsed;
}

}  // namespace

JoinedSession::JoinedSession(const JoinedSessionOptions& options, std::vector<WantedEvent> events,
                             EventHandler& handler) {
    const SessionUrl url = parse(options.url);
    LiveReader::Options reading;
    reading.viewer_url = url.relay;
    reading.session = url.session;
    reading.wanted = std::move(events);
    reading.joined_host = url.host;
    reading.limit = options.limit;
    reader_ = std::make_shared<LiveReader>(std::move(reading), handler);
    reader_->start();
    if (reader_->wait_for_begin(steady_clock::now() + 2 * options.limit)) return;
    const std::string error = reader_->error();
    reader_->stop(LiveReader::grace);
    throw LttngError("live session: " + (error.empty() ? options.url + ": the relay does not answer in time" : error));
}

JoinedSession::~JoinedSession() {
    reader_->stop(LiveReader::grace);
}

LiveResult JoinedSession::finish(milliseconds deadline) {
    if (finished_) return result_;
    finished_ = true;
    result_.complete = reader_->wait_for_now(steady_clock::now() + deadline);
    if (reader_->state() == LiveReader::State::failed) {
        result_.complete = false;
        result_.problems.push_back("reading failed: " + reader_->error());
    } else if (!result_.complete) {
        result_.problems.push_back("not everything that was recorded arrived in time");
    }
    if (!reader_->stop(LiveReader::grace)) result_.problems.push_back("the relay hangs; its reader was left behind");
    for (const std::string& mismatch : reader_->mismatches()) result_.problems.push_back(mismatch);
    result_.events = reader_->events();
    result_.lost = reader_->lost();
    result_.losses = reader_->losses();
    result_.first_event_ns = reader_->first_event_ns();
    result_.lost_since_ns = reader_->lost_since_ns();
    return result_;
}

LiveResult JoinedSession::read_again(EventHandler&, milliseconds) {
    return result_;
}

std::uint64_t JoinedSession::events() const {
    return reader_->events();
}

bool JoinedSession::reading() const {
    return reader_->state() == LiveReader::State::reading;
}

}  // namespace lockstep::monitors
