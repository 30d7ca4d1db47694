#include "nfs_server/rpc/outgoing.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <rpc/rpc.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <system_error>

#include "nfs_server/base/arena.hpp"
#include "nfs_server/base/check.hpp"
#include "nfs_server/base/clock.hpp"
#include "nfs_server/rpc/message.hpp"
#include "nfs_server/wire/xdr_decoder.hpp"
#include "nfs_server/wire/xdr_encoder.hpp"

namespace lockstep::server::rpc {
namespace {

constexpr int64_t ns_per_ms = 1'000'000;
constexpr int64_t first_interval_ms = 200;
constexpr int64_t longest_interval_ms = 5000;
constexpr size_t max_reply_bytes = 8192;

// RFC 1833 section 3: the portmapper's version 2 knows IPv4 only; version 3 of rpcbind answers universal addresses.
constexpr uint32_t portmapper_program = 100000;
constexpr uint32_t getport_version = 2;
constexpr uint32_t getaddr_version = 3;
constexpr uint32_t getport_procedure = 3;  // GETADDR has the same number

using Bytes = std::vector<std::byte>;

void append_word(Bytes& bytes, uint32_t value) {
    const uint32_t word = htonl(value);
    const auto* from = reinterpret_cast<const std::byte*>(&word);
    bytes.insert(bytes.end(), from, from + sizeof word);
}

void append_string(Bytes& bytes, std::string_view text) {
    append_word(bytes, static_cast<uint32_t>(text.size()));
    const auto* from = reinterpret_cast<const std::byte*>(text.data());
    bytes.insert(bytes.end(), from, from + text.size());
    bytes.resize((bytes.size() + 3) & ~size_t{3});
}

Bytes message_of(uint32_t xid, uint32_t program, uint32_t version, uint32_t procedure, const Bytes& args) {
    Bytes message;
    message.reserve(40 + args.size());
    for (const uint32_t word : {xid, 0u, rpc_version, program, version, procedure, 0u, 0u, 0u, 0u})
        append_word(message, word);
    message.insert(message.end(), args.begin(), args.end());
    return message;
}

Bytes lookup_message(uint32_t xid, const OutgoingCall& call) {
    Bytes args;
    append_word(args, call.program);
    append_word(args, call.version);
    if (!call.host.is_ipv6()) {
        append_word(args, IPPROTO_UDP);
        append_word(args, 0);
        return message_of(xid, portmapper_program, getport_version, getport_procedure, args);
    }
    append_string(args, "udp6");
    append_string(args, "");
    append_string(args, "");
    return message_of(xid, portmapper_program, getaddr_version, getport_procedure, args);
}

// The port of GETPORT's number, or of the last two parts of GETADDR's "h.h.h.h.p.p"; 0: not registered.
uint16_t port_of(bool is_ipv6, std::span<std::byte> results, Arena& arena) {
    wire::XdrDecoder decoder(results, arena);
    uint32_t port = 0;
    if (!is_ipv6) return decoder.decode(port) && port <= UINT16_MAX ? static_cast<uint16_t>(port) : uint16_t{0};
    std::span<std::byte> text;
    if (!decoder.decode_opaque(text, 128)) return 0;
    const std::string address(reinterpret_cast<const char*>(text.data()), text.size());
    const size_t low = address.rfind('.');
    const size_t high = low == std::string::npos || low == 0 ? std::string::npos : address.rfind('.', low - 1);
    if (high == std::string::npos) return 0;
    const auto part = [](const std::string& digits) { return std::strtoul(digits.c_str(), nullptr, 10) & 0xff; };
    return static_cast<uint16_t>(part(address.substr(high + 1, low - high - 1)) << 8 | part(address.substr(low + 1)));
}

struct ReplyHead {
    uint32_t xid;
    uint32_t status;  // 0: the results follow
    Bytes results;
};

std::optional<ReplyHead> parse_reply(std::span<std::byte> message) {
    Arena arena;
    wire::XdrDecoder decoder(message, arena);
    uint32_t xid = 0, type = 0, is_denied = 0, flavor = 0, status = 0;
    std::span<std::byte> verifier;
    if (!decoder.decode(xid) || !decoder.decode(type) || type != 1 || !decoder.decode(is_denied)) return std::nullopt;
    if (is_denied != 0) return ReplyHead{xid, UINT32_MAX, {}};
    if (!decoder.decode(flavor) || !decoder.decode_opaque(verifier, 400) || !decoder.decode(status))
        return std::nullopt;
    return ReplyHead{xid, status, {decoder.rest().begin(), decoder.rest().end()}};
}

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
        pollfd waited[] = {
            {wake_.get(), POLLIN, 0}, {ipv4_.get(), POLLIN, 0}, {ipv6_.get(), POLLIN, 0}};  // a negative one is ignored
        if (poll(waited, std::size(waited), wait_ms(system_clock().monotonic_ns())) < 0) check(errno == EINTR, "poll");
        eventfd_t woken = 0;
        eventfd_read(wake_.get(), &woken);
        {
            const std::lock_guard hold(mutex_);
            if (is_stopping_) return;
        }
        for (const int socket : {ipv4_.get(), ipv6_.get()})
            if (socket >= 0) receive(socket);
        take_new();
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
    for (OutgoingCall& call : taken) {
        Pending pending;
        pending.to = call.host;
        pending.to.set_port(portmapper_port_);
        pending.next_send_ns = now_ns;
        pending.interval_ms = first_interval_ms;
        pending.give_up_ns = now_ns + call.give_up_after_ms * ns_per_ms;
        pending.call = std::move(call);
        const uint32_t xid = ++last_xid_;
        plan(xid, pending_.emplace(xid, std::move(pending)).first->second);
    }
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
        Pending& pending = pending_.at(xid);
        if (now_ns >= pending.give_up_ns) {
            finish(xid, pending.attempts == 0 ? Kind::unreachable : Kind::unanswered);
            continue;
        }
        send(xid, pending);
        if (!pending.is_looking_up && !pending.call.has_reply) {
            finish(xid, Kind::answered);
            continue;
        }
        pending.next_send_ns = now_ns + pending.interval_ms * ns_per_ms;
        pending.interval_ms = std::min(2 * pending.interval_ms, longest_interval_ms);
        plan(xid, pending);
    }
}

int Outgoing::socket_for(const PeerAddress& host) const {
    return host.is_ipv6() ? ipv6_.get() : ipv4_.get();
}

void Outgoing::send(uint32_t xid, Pending& pending) {
    const OutgoingCall& call = pending.call;
    if (!pending.is_looking_up) ++pending.attempts;
    if (call.sent) call.sent(pending.attempts);
    const Bytes message = pending.is_looking_up
                              ? lookup_message(xid, call)
                              : message_of(xid, call.program, call.version, call.procedure, call.args);
    // What can't be sent now is sent again later.
    static_cast<void>(sendto(socket_for(call.host), message.data(), message.size(), MSG_NOSIGNAL, pending.to.get(),
                             pending.to.size_bytes()));
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
        const auto found = pending_.find(reply->xid);
        // Only the host that was asked answers; of several addresses it may use another one's port.
        if (found == pending_.end() || found->second.to.address() != PeerAddress(address, address_bytes).address())
            continue;
        answered(reply->xid, reply->status, std::move(reply->results));
    }
}

void Outgoing::answered(uint32_t xid, uint32_t status, Bytes results) {
    Pending& pending = pending_.at(xid);
    if (pending.is_looking_up) {
        Arena arena;
        if (status == 0) found_port(xid, port_of(pending.call.host.is_ipv6(), results, arena));
        return;
    }
    using Kind = OutgoingResult::Kind;
    finish(xid, status == 0 ? Kind::answered : Kind::refused, std::move(results));
}

// A service that is not registered yet may be on its way up: the question is asked again in its time.
void Outgoing::found_port(uint32_t xid, uint16_t port) {
    if (port == 0) return;
    auto node = pending_.extract(xid);
    Pending& pending = node.mapped();
    pending.is_looking_up = false;
    pending.to.set_port(port);
    pending.next_send_ns = 0;
    pending.interval_ms = first_interval_ms;
    // A number of its own: a late second answer of the portmapper is not the service's.
    due_.erase({pending.due_ns, xid});
    node.key() = ++last_xid_;
    plan(node.key(), pending);
    pending_.insert(std::move(node));
}

void Outgoing::finish(uint32_t xid, OutgoingResult::Kind kind, Bytes results) {
    const auto node = pending_.extract(xid);
    due_.erase({node.mapped().due_ns, xid});
    {
        const std::lock_guard hold(mutex_);
        --calls_count_;
    }
    if (node.mapped().call.done) node.mapped().call.done({kind, std::move(results)});
}

}  // namespace lockstep::server::rpc
