#include "nfs_server/rpc/outgoing.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <rpc/rpc.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "nfs_server/base/check.hpp"
#include "nfs_server/base/clock.hpp"
#include "nfs_server/rpc/units.hpp"

namespace lockstep::server::rpc {
namespace {

constexpr int64_t first_interval_ms = 200;
constexpr int64_t longest_interval_ms = 5000;

constexpr size_t max_streams = 128;
// A connection on which there is no reply for so long is given up, and the service looked up again.
constexpr int64_t stream_patience_ns = 5000 * ns_per_ms;
// So many datagrams without an answer, then the other transport is asked for.
constexpr uint32_t max_datagrams = 3;
// Of a call that goes on for long the latest numbers count.
constexpr size_t max_earlier = 8;

FileDescriptor datagram_socket(sa_family_t family) {
    FileDescriptor socket(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    // A port below 1024, where we may have one: some clients believe only those.
    if (socket) static_cast<void>(bindresvport(socket.get(), nullptr));
    return socket;
}

}  // namespace

Outgoing::Outgoing(uint16_t portmapper_port)
    : portmapper_port_(portmapper_port),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      ipv4_(datagram_socket(AF_INET)),
      ipv6_(::socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    if (!wake_ || !ipv4_) throw std::system_error(errno, std::generic_category(), "sockets for outgoing calls");
    // Whoever can't see our packets can't answer in a client's place.
    check(getrandom(&last_xid_, sizeof last_xid_, 0) == sizeof last_xid_, "getrandom");
    thread_ = std::thread([this] { work(); });
    pthread_setname_np(thread_.native_handle(), "outgoing");
}

Outgoing::~Outgoing() {
    {
        const std::lock_guard hold(mutex_);
        is_stopping_ = true;
    }
    eventfd_write(wake_.get(), 1);
    thread_.join();
}

bool Outgoing::start(OutgoingCall call) {
    {
        const std::lock_guard hold(mutex_);
        if (calls_count_ >= max_calls) return false;
        ++calls_count_;
        new_calls_.push_back(std::move(call));
    }
    eventfd_write(wake_.get(), 1);
    return true;
}

void Outgoing::work() {
    for (;;) {
        std::vector<pollfd> waited{
            {wake_.get(), POLLIN, 0}, {ipv4_.get(), POLLIN, 0}, {ipv6_.get(), POLLIN, 0}};  // a negative one is ignored
        const std::vector<uint32_t> streams(streams_.begin(), streams_.end());
        for (const uint32_t xid : streams) {
            const OutgoingStream& stream = *pending_.at(xid).stream;
            waited.push_back({stream.socket(), stream.events(), 0});
        }
        if (poll(waited.data(), waited.size(), wait_ms(system_clock().monotonic_ns())) < 0)
            check(errno == EINTR, "poll");
        eventfd_t woken = 0;
        eventfd_read(wake_.get(), &woken);
        {
            const std::lock_guard hold(mutex_);
            if (is_stopping_) return;
        }
        for (const int socket : {ipv4_.get(), ipv6_.get()})
            if (socket >= 0) receive(socket);
        for (const uint32_t xid : streams)
            if (streams_.contains(xid)) advance(xid);
        take_new();
        take_cancelled();
        send_due(system_clock().monotonic_ns());
    }
}

void Outgoing::take_new() {
    std::deque<OutgoingCall> taken;
    {
        const std::lock_guard hold(mutex_);
        taken.swap(new_calls_);
    }
    const int64_t now_ns = system_clock().monotonic_ns();
    for (OutgoingCall& call : taken) begin(std::move(call), now_ns);
}

// Its first question is sent at once: behind those that are sent again to hosts that do not answer it would be late.
void Outgoing::begin(OutgoingCall call, int64_t now_ns) {
    Pending pending;
    pending.to = call.host;
    pending.to.set_port(portmapper_port_);
    pending.next_send_ns = now_ns;
    pending.interval_ms = first_interval_ms;
    pending.give_up_ns = now_ns + call.give_up_after_ms * ns_per_ms;
    pending.call = std::move(call);
    const uint32_t xid = ++last_xid_;
    if (pending.call.key != 0) by_key_[pending.call.key] = xid;
    pending_.emplace(xid, std::move(pending));
    send_one(xid, now_ns);
}

void Outgoing::cancel(uint64_t key) {
    {
        const std::lock_guard hold(mutex_);
        cancelled_.push_back(key);
    }
    eventfd_write(wake_.get(), 1);
}

// After what is new: a call is begun before it is cancelled.
void Outgoing::take_cancelled() {
    std::vector<uint64_t> taken;
    {
        const std::lock_guard hold(mutex_);
        taken.swap(cancelled_);
    }
    for (const uint64_t key : taken)
        if (const auto found = by_key_.find(key); found != by_key_.end())
            finish(found->second, OutgoingResult::Kind::needless);
}

// Takes the place of its due time, whatever that was before.
void Outgoing::plan(uint32_t xid, Pending& pending) {
    due_.erase({pending.due_ns, xid});
    pending.due_ns = std::min(pending.next_send_ns, pending.give_up_ns);
    due_.emplace(pending.due_ns, xid);
}

int Outgoing::wait_ms(int64_t now_ns) const {
    if (due_.empty()) return -1;
    return static_cast<int>(std::clamp<int64_t>((due_.begin()->first - now_ns) / ns_per_ms + 1, 0, 60'000));
}

void Outgoing::send_due(int64_t now_ns) {
    using Kind = OutgoingResult::Kind;
    while (!due_.empty() && due_.begin()->first <= now_ns) {
        const uint32_t xid = due_.begin()->second;
        const Pending& pending = pending_.at(xid);
        if (now_ns >= pending.give_up_ns)
            finish(xid, pending.attempts == 0 ? Kind::unreachable : Kind::unanswered);
        else
            send_one(xid, now_ns);
    }
}

void Outgoing::send_one(uint32_t xid, int64_t now_ns) {
    Pending& pending = pending_.at(xid);
    if (pending.stream && now_ns - pending.stream_since_ns >= stream_patience_ns) look_up_again(xid, pending);
    if (!pending.is_looking_up && pending.datagrams == max_datagrams) xid = look_up_other(xid);
    send(xid, pending);
    const bool is_sent = !pending.is_looking_up && pending.transport == Transport::udp;
    if (is_sent && !pending.call.has_reply) return finish(xid, OutgoingResult::Kind::answered);
    pending.next_send_ns = now_ns + pending.interval_ms * ns_per_ms;
    pending.interval_ms = std::min(2 * pending.interval_ms, longest_interval_ms);
    plan(xid, pending);
}

int Outgoing::socket_for(const PeerAddress& host) const {
    return host.is_ipv6() ? ipv6_.get() : ipv4_.get();
}

void Outgoing::send(uint32_t xid, Pending& pending) {
    if (!pending.is_looking_up && pending.transport == Transport::tcp) return open_stream(xid, pending);
    const OutgoingCall& call = pending.call;
    const CallTarget target{call.program, call.version, call.procedure};
    Bytes message;
    if (pending.is_looking_up) {
        message = lookup_message(xid, call.host, target, pending.transport);
    } else {
        ++pending.attempts;
        ++pending.datagrams;
        message = call_message(xid, target, call.args);
    }
    if (call.sent) call.sent(pending.is_looking_up ? 0 : pending.attempts);
    // What can't be sent now is sent again later.
    static_cast<void>(sendto(socket_for(call.host), message.data(), message.size(), MSG_NOSIGNAL, pending.to.get(),
                             pending.to.size_bytes()));
}

// While a connection is under way there is nothing to send again: TCP does that.
void Outgoing::open_stream(uint32_t xid, Pending& pending) {
    if (pending.stream || streams_.size() >= max_streams) return;
    const OutgoingCall& call = pending.call;
    const CallTarget target{call.program, call.version, call.procedure};
    pending.stream = std::make_unique<OutgoingStream>(pending.to, call_message(xid, target, call.args));
    pending.stream_since_ns = system_clock().monotonic_ns();
    streams_.insert(xid);
    if (pending.stream->socket() < 0) look_up_again(xid, pending);
}

void Outgoing::advance(uint32_t xid) {
    using Step = OutgoingStream::Step;
    Pending& pending = pending_.at(xid);
    switch (pending.stream->advance()) {
        case Step::waits:
            return;
        case Step::written:
            ++pending.attempts;
            if (pending.call.sent) pending.call.sent(pending.attempts);
            if (!pending.call.has_reply) finish(xid, OutgoingResult::Kind::answered);
            return;
        case Step::replied: {
            auto reply = parse_reply(pending.stream->reply());
            if (!reply || reply->xid != xid) return look_up_again(xid, pending);
            return answered(xid, reply->status, std::move(reply->results));
        }
        case Step::failed:
            return look_up_again(xid, pending);
    }
}

// A reply to the datagrams may still come: it counts, and so the question has another number.
uint32_t Outgoing::look_up_other(uint32_t asked) {
    const uint32_t xid = renumber(asked);
    Pending& pending = pending_.at(xid);
    pending.is_looking_up = true;
    pending.transport = Transport::tcp;
    pending.to.set_port(portmapper_port_);
    return xid;
}

// Its time for the next question stays. Whoever turned the connection away may have moved to another port.
void Outgoing::look_up_again(uint32_t xid, Pending& pending) {
    streams_.erase(xid);
    pending.stream.reset();
    pending.is_looking_up = true;
    pending.transport = Transport::udp;
    pending.to.set_port(portmapper_port_);
}

void Outgoing::receive(int socket) {
    alignas(8) std::array<std::byte, max_reply_bytes> buffer;
    for (;;) {
        sockaddr_storage storage{};
        socklen_t address_bytes = sizeof storage;
        auto* address = reinterpret_cast<sockaddr*>(&storage);
        const ssize_t size_bytes = recvfrom(socket, buffer.data(), buffer.size(), 0, address, &address_bytes);
        if (size_bytes < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (size_bytes < 0) continue;
        auto reply = parse_reply(std::span(buffer).first(static_cast<size_t>(size_bytes)));
        if (!reply) continue;
        const auto earlier = earlier_.find(reply->xid);
        const bool is_late = earlier != earlier_.end();
        const auto found = pending_.find(is_late ? earlier->second : reply->xid);
        // Only the host that was asked answers; of several addresses it may use another one's port.
        if (found == pending_.end() || found->second.to.address() != PeerAddress(address, address_bytes).address())
            continue;
        if (is_late)
            replied(found->first, reply->status, std::move(reply->results));
        else if (!found->second.stream)
            answered(reply->xid, reply->status, std::move(reply->results));
    }
}

void Outgoing::answered(uint32_t xid, uint32_t status, Bytes results) {
    Pending& pending = pending_.at(xid);
    if (pending.is_looking_up) {
        if (status == 0) found_port(xid, port_in(pending.call.host, results));
        return;
    }
    replied(xid, status, std::move(results));
}

void Outgoing::replied(uint32_t xid, uint32_t status, Bytes results) {
    using Kind = OutgoingResult::Kind;
    finish(xid, status == 0 ? Kind::answered : Kind::refused, std::move(results));
}

// Each next question has a number of its own: a late second answer to the last one is not its answer. Those of the call
// itself are remembered: an answer to any of them is one. Not while there is a connection.
uint32_t Outgoing::renumber(uint32_t xid) {
    auto node = pending_.extract(xid);
    Pending& pending = node.mapped();
    due_.erase({pending.due_ns, xid});
    node.key() = ++last_xid_;
    if (pending.call.key != 0) by_key_[pending.call.key] = node.key();
    if (!pending.is_looking_up) pending.earlier.push_back(xid);
    if (pending.earlier.size() > max_earlier) {
        earlier_.erase(pending.earlier.front());
        pending.earlier.erase(pending.earlier.begin());
    }
    for (const uint32_t earlier : pending.earlier) earlier_[earlier] = node.key();
    return pending_.insert(std::move(node)).position->first;
}

void Outgoing::found_port(uint32_t asked, uint16_t port) {
    const uint32_t xid = renumber(asked);
    Pending& pending = pending_.at(xid);
    if (port != 0) {
        pending.is_looking_up = false;
        pending.to.set_port(port);
        pending.next_send_ns = 0;
        pending.datagrams = 0;
        if (pending.attempts == 0) pending.interval_ms = first_interval_ms;
    } else if (pending.transport == Transport::udp) {
        pending.transport = Transport::tcp;
        pending.next_send_ns = 0;
    } else {
        // A service that is registered nowhere may be on its way up: it is asked for again in its time.
        pending.transport = Transport::udp;
    }
    plan(xid, pending);
}

void Outgoing::finish(uint32_t xid, OutgoingResult::Kind kind, Bytes results) {
    const auto node = pending_.extract(xid);
    due_.erase({node.mapped().due_ns, xid});
    streams_.erase(xid);
    by_key_.erase(node.mapped().call.key);
    for (const uint32_t earlier : node.mapped().earlier) earlier_.erase(earlier);
    {
        const std::lock_guard hold(mutex_);
        --calls_count_;
    }
    if (node.mapped().call.done) node.mapped().call.done({kind, std::move(results)});
}

}  // namespace lockstep::server::rpc
