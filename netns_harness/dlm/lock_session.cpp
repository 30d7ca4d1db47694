#include "netns_harness/dlm/lock_session.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "tracepoints/lock_api.tp"

namespace lockstep::dlm {
namespace {

using Kind = Message::Kind;

constexpr std::uint64_t whole = UINT64_MAX;  // a resource is locked whole

}  // namespace

bool lock_events_are_listened_to() {
    return lttng_ust_tracepoint_enabled(lock_api, acquired) && lttng_ust_tracepoint_enabled(lock_api, released);
}

LockSession::LockSession(const Address& master, std::string owner, EventCounts& counts, Clock::time_point connected_by,
                         milliseconds answer_limit)
    : owner_(std::move(owner)),
      counts_(counts),
      connection_(connect_to(master, connected_by)),
      answer_limit_(answer_limit) {
    send({.kind = Kind::hello, .name = owner_});
}

bool LockSession::lock(const Ask& ask) {
    tell(Event::requested, ask.resource, ask.mode);
    const Message answer = ask_and_wait(ask);
    const bool held = answer.kind == Kind::granted;
    tell(held ? Event::acquired : Event::denied, ask.resource, ask.mode, 1 + static_cast<std::uint32_t>(answer.reason));
    return held;
}

bool LockSession::convert(const Ask& ask, Mode from) {
    if (lock(ask)) return true;
    // Until a conversion is granted its owner keeps what it has, so that is held again for all to see.
    tell(Event::acquired, ask.resource, from);
    return false;
}

void LockSession::unlock(const std::string& resource) {
    tell(Event::released, resource, Mode::NL);
    send({.kind = Kind::unlock, .request = ++last_request_, .name = resource});
    if (answer_to(last_request_, Clock::now() + answer_limit_).kind != Kind::released)
        throw SocketError("unlock was not answered by released");
}

void LockSession::tell(Event event, const std::string& resource, Mode mode, std::uint32_t status) {
    const char* file = resource.c_str();
    const char* owner = owner_.c_str();
    const auto number = static_cast<std::uint8_t>(mode);
    switch (event) {
        case Event::requested:
            lttng_ust_tracepoint(lock_api, requested, file, owner, 0, whole, number);
            ++counts_.requested;
            break;
        case Event::acquired:
            lttng_ust_tracepoint(lock_api, acquired, file, owner, 0, whole, number);
            ++counts_.acquired;
            break;
        case Event::denied:
            lttng_ust_tracepoint(lock_api, denied, file, owner, 0, whole, number, status);
            ++counts_.denied;
            break;
        case Event::released:
            lttng_ust_tracepoint(lock_api, released, file, owner, 0, whole);
            ++counts_.released;
            break;
    }
}

Message LockSession::ask_and_wait(const Ask& ask) {
    const bool may_wait = ask.wait.count() > 0;
    const std::uint32_t request = ++last_request_;
    send({.kind = Kind::lock, .request = request, .name = ask.resource, .mode = ask.mode, .may_wait = may_wait});
    if (may_wait && !receive(Clock::now() + ask.wait))
        send({.kind = Kind::cancel, .request = request, .name = ask.resource});
    const Message answer = answer_to(request, Clock::now() + answer_limit_);
    if (answer.kind == Kind::released) throw SocketError("lock was answered by released");
    return answer;
}

Message LockSession::answer_to(std::uint32_t request, Clock::time_point deadline) {
    for (;;) {
        if (const auto line = lines_.next()) {
            const auto message = parse_line(*line);
            if (message && message->kind >= Kind::granted && message->request == request) return *message;
            throw SocketError("the master of a resource said '" + *line + "'");
        }
        if (!receive(deadline)) throw SocketError("no answer within " + std::to_string(answer_limit_.count()) + " ms");
    }
}

// Takes what has come. False: nothing until the deadline.
bool LockSession::receive(Clock::time_point deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
        pollfd wanted{connection_.get(), POLLIN, 0};
        const int ready = poll(&wanted, 1, left > 0 ? static_cast<int>(left) : 0);
        if (ready < 0 && errno == EINTR) continue;
        if (ready == 0) return false;
        char bytes[1024];
        const ssize_t got = recv(connection_.get(), bytes, sizeof bytes, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got <= 0) throw SocketError("the master of a resource is gone");
        lines_.append({bytes, static_cast<std::size_t>(got)});
        return true;
    }
}

void LockSession::send(const Message& message) {
    const std::string line = to_line(message);
    // A few short lines at most are under way: they fit the socket's buffer, or the master reads no more.
    const ssize_t sent = ::send(connection_.get(), line.data(), line.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(line.size()))
        throw SocketError(std::string("cannot write to the master of a resource: ") + std::strerror(errno));
}

}  // namespace lockstep::dlm
