#include "nfs_server/rpc/connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <spdlog/spdlog.h>

#include "nfs_server/rpc/units.hpp"
#include "tracepoints/rpc.tp"

namespace lockstep::server::rpc {
namespace {

// How long a thread sleeps at the socket of one client that pauses.
constexpr timeval longest_wait{.tv_sec = 0, .tv_usec = 2000};

// As recvmsg, which costs the system more for a single piece.
ssize_t receive(int socket, std::span<iovec> room, int flags) {
    if (room.size() == 1) return recv(socket, room[0].iov_base, room[0].iov_len, flags);
    msghdr message{};
    message.msg_iov = room.data();
    message.msg_iovlen = room.size();
    return recvmsg(socket, &message, flags);
}

}  // namespace

Connection::Connection(int socket, uint64_t id, const PeerAddress& peer, const Dispatcher& dispatcher,
                       const ConnectionEnvironment& environment)
    : socket_(socket),
      id_(id),
      peer_(peer),
      dispatcher_(dispatcher),
      environment_(environment),
      watch_(environment.epoll, socket, id),
      reader_(environment.limits.max_record_bytes, environment.budget, &dispatcher),
      output_(socket, environment.budget, spare_call_),
      last_activity_ns_(environment.clock.monotonic_ns()),
      written_change_ns_(last_activity_ns_) {
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &longest_wait, sizeof longest_wait);
    lttng_ust_tracepoint(rpc, connection_opened, id_, peer_.to_string().c_str());
}

// Whoever runs a request of the connection holds it: here none is left, so that no event of it can follow.
Connection::~Connection() {
    ::close(socket_);
    lttng_ust_tracepoint(rpc, connection_closed, id_);
}

void Connection::readable(bool hang_up, Calls& calls) {
    if (hang_up) hang_up_ = true;
    read_turn(calls);
}

void Connection::writable(Calls& calls) {
    if (output_.queued_bytes() == 0) return;
    after(output_.writable(), calls);
}

void Connection::read_turn(Calls& calls) {
    if (read_turns_.fetch_add(1) != 0) return;  // the thread that reads will look again
    finish_read_turn(calls);
}

void Connection::finish_read_turn(Calls& calls) {
    uint32_t seen = 1;
    turn_bytes_left_ = environment_.limits.turn_bytes;
    do {
        seen = read_turns_.load();
        if (read_until_empty(calls)) continue;
        // Whoever asked for a turn meanwhile is served by the word that there may be more.
        read_turns_ = 0;
        return watch_.tell_again();
    } while (!read_turns_.compare_exchange_strong(seen, 0));
}

// While memory is scarce a connection is read on only when it has nothing under way: clients that send much at once are
// slowed down, not cut off.
bool Connection::may_read() {
    const auto has_room = [this] {
        const uint32_t in_flight = in_flight_.load();
        const bool is_below_limit =
            in_flight < (environment_.budget.is_scarce() ? 1 : environment_.limits.max_in_flight);
        return is_below_limit && !client_is_slow();
    };
    if (closed_ || input_ended_) return false;
    if (has_room()) return true;
    // First the word that input waits, then the second look: whoever makes room either sees the word or is seen.
    paused_ = true;
    if (!has_room()) return false;
    paused_ = false;
    return true;
}

// False: the turn is over before.
bool Connection::read_until_empty(Calls& calls) {
    while (may_read()) {
        if (turn_bytes_left_ == 0) return false;
        const Read found = read_some(MSG_DONTWAIT, calls);
        if (found != Read::emptied && found != Read::nothing) continue;
        if (reader_.is_inside_record()) ask_for_rest();
        break;
    }
    return true;
}

// A client that joins small segments holds the rest of a record back until what it has sent is acknowledged, and the
// system waits with that for a reply to go with it: up to 40 ms.
void Connection::ask_for_rest() {
    const int at_once = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_QUICKACK, &at_once, sizeof at_once);
}

Connection::Read Connection::read_some(int flags, Calls& calls) {
    const auto room = reader_.room();
    size_t room_bytes = 0;
    for (const iovec& piece : room) room_bytes += piece.iov_len;
    const ssize_t size_bytes = receive(socket_, room, flags);
    if (size_bytes > 0) {
        turn_bytes_left_ -= std::min(turn_bytes_left_, static_cast<size_t>(size_bytes));
        received(static_cast<size_t>(size_bytes), calls);
        // A short read emptied the socket: its next byte brings a new event. Its end may have come without one.
        return static_cast<size_t>(size_bytes) < room_bytes && !hang_up_ ? Read::emptied : Read::more;
    }
    if (size_bytes == 0) {
        input_ended_ = true;
        close_if_done();
        return Read::ended;
    }
    if (errno == EINTR) return Read::more;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Read::nothing;
    close();
    return Read::ended;
}

Connection::Look Connection::look_for_requests(bool waits, Calls& calls) {
    if (in_flight_ != 0 || output_.queued_bytes() != 0) return Look::elsewhere;
    if (read_turns_.fetch_add(1) != 0) return Look::elsewhere;
    const Read found = may_read() ? read_some(waits ? 0 : MSG_DONTWAIT, calls) : Read::nothing;
    // A reading that emptied the socket and that nobody was told of meanwhile need not be repeated.
    uint32_t only_this = 1;
    const bool is_done = found == Read::emptied || found == Read::nothing;
    if (!is_done || !read_turns_.compare_exchange_strong(only_this, 0)) finish_read_turn(calls);
    return found != Read::nothing || !calls.empty() ? Look::requests : Look::nothing;
}

void Connection::received(size_t size_bytes, Calls& calls) {
    const int64_t now_ns = environment_.clock.monotonic_ns();
    records_.clear();
    if (const auto taken = reader_.take(size_bytes, records_); !taken) return close_because(to_string(taken.error()));
    const bool came_alone = records_.size() == 1 && in_flight_ == 0 && !reader_.is_inside_record();
    briskness_.request(now_ns - last_activity_ns_, came_alone, environment_.work_found);
    last_activity_ns_ = now_ns;
    for (Record& record : records_) calls.push_back(make_call(std::move(record)));
    in_flight_ += static_cast<uint32_t>(records_.size());
    if (!reader_.is_inside_record()) {
        record_began_ns_ = 0;
    } else if (!records_.empty() || record_began_ns_ == 0) {
        record_began_ns_ = now_ns;
    }
    records_.clear();
}

std::unique_ptr<Call> Connection::make_call(Record&& record) {
    auto call = spare_call_.take();
    if (!call) return std::make_unique<Call>(std::move(record));
    reader_.reuse(std::move(call->record));
    call->record = std::move(record);
    return call;
}

bool Connection::client_is_slow() const {
    return output_.queued_bytes() >= environment_.limits.max_queued_output_bytes;
}

void Connection::run(std::unique_ptr<Call> call, Calls& calls) {
    if (client_is_slow() && !closed_) return park(std::move(call), calls);
    auto state = OutputQueue::State::empty;
    if (!closed_) {
        const Answer answer = dispatcher_.answer(call->record.bytes(), {.connection_id = id_, .peer = peer_},
                                                 call->arena, call->pieces, call->record.placed_payload());
        last_activity_ns_ = environment_.clock.monotonic_ns();
        call->drop_request();
        if (answer.kind == Answer::Kind::none) {
            close_because("a message that is no call");
        } else if (!closed_) {
            if (answer.kind == Answer::Kind::reply)
                lttng_ust_tracepoint(rpc, reply_sent, answer.request_id, id_, answer.xid, answer.accept_status,
                                     answer.size_bytes);
            state = output_.send(std::move(call), answer.size_bytes);
        } else if (answer.kind == Answer::Kind::reply) {
            lttng_ust_tracepoint(rpc, call_dropped, answer.request_id, id_);
        }
    }
    --in_flight_;
    after(state, calls);
}

void Connection::park(std::unique_ptr<Call> call, Calls& calls) {
    {
        const std::lock_guard hold(parked_mutex_);
        parked_.push_back(std::move(call));
        parked_count_ = parked_.size();
    }
    // The client may have caught up meanwhile, and whoever noticed found nothing parked.
    unpark(calls);
}

void Connection::unpark(Calls& calls) {
    if (parked_count_ == 0 || client_is_slow()) return;
    const std::lock_guard hold(parked_mutex_);
    // A few at a time: each of them, when it is done, comes back here for more.
    for (int i = 0; i < 4 && !parked_.empty(); ++i) {
        calls.push_back(std::move(parked_.front()));
        parked_.pop_front();
    }
    parked_count_ = parked_.size();
}

// A request or some output is gone: there may be room to read on, or nothing left to do.
void Connection::after(OutputQueue::State state, Calls& calls) {
    if (state == OutputQueue::State::broken) close();
    close_if_done();
    unpark(calls);
    if (paused_.exchange(false)) read_turn(calls);
}

void Connection::drain() {
    input_ended_ = true;
    close_if_done();
}

void Connection::close_if_done() {
    if (input_ended_ && in_flight_ == 0 && output_.queued_bytes() == 0) close();
}

void Connection::close() {
    if (closed_.exchange(true)) return;
    // The descriptor stays until the last holder lets go: its number can't be another connection's meanwhile.
    shutdown(socket_, SHUT_RDWR);
}

void Connection::close_because(const char* reason) {
    spdlog::debug("connection {} of {} closed: {}", id_, peer_.to_string(), reason);
    close();
}

int64_t Connection::idle_ns(int64_t now_ns) const {
    if (in_flight_ != 0 || output_.queued_bytes() != 0 || record_began_ns_ != 0) return -1;
    return now_ns - last_activity_ns_;
}

const char* Connection::expired(int64_t now_ns) {
    const Limits& limits = environment_.limits;
    if (const uint64_t written = output_.written_bytes();
        written != written_bytes_seen_ || output_.queued_bytes() == 0) {
        written_bytes_seen_ = written;
        written_change_ns_ = now_ns;
    }
    if (now_ns - written_change_ns_ > limits.stalled_output_limit_ms * ns_per_ms) return "its client takes no replies";
    // While input is paused, an unfinished record is not its client's fault.
    const int64_t began_ns = record_began_ns_;
    if (began_ns != 0 && !paused_ && now_ns - began_ns > limits.partial_record_limit_ms * ns_per_ms)
        return "a record that does not end";
    if (idle_ns(now_ns) > limits.idle_limit_ms * ns_per_ms) return "idle";
    return nullptr;
}

}  // namespace lockstep::server::rpc
