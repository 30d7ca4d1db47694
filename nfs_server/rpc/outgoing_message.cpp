#include "nfs_server/rpc/outgoing_message.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "nfs_server/base/arena.hpp"
#include "nfs_server/rpc/message.hpp"
#include "nfs_server/wire/xdr_decoder.hpp"
#include "nfs_server/wire/xdr_encoder.hpp"

namespace lockstep::server::rpc {
namespace {

// RFC 1833 section 3: the portmapper's version 2 knows IPv4 only; version 3 of rpcbind answers universal addresses.
constexpr CallTarget getport{100000, 2, 3};
constexpr CallTarget getaddr{100000, 3, 3};

constexpr uint32_t last_fragment = 0x80000000u;
constexpr size_t mark_bytes = 4;
constexpr size_t max_fragments = 64;

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

// The last two parts of "h.h.h.h.p.p".
uint16_t port_of_universal_address(const std::string& address) {
    const size_t low = address.rfind('.');
    const size_t high = low == std::string::npos || low == 0 ? std::string::npos : address.rfind('.', low - 1);
    if (high == std::string::npos) return 0;
    const auto part = [](const std::string& digits) { return std::strtoul(digits.c_str(), nullptr, 10) & 0xff; };
    return static_cast<uint16_t>(part(address.substr(high + 1, low - high - 1)) << 8 | part(address.substr(low + 1)));
}

}  // namespace

Bytes call_message(uint32_t xid, const CallTarget& target, std::span<const std::byte> args) {
    Bytes message;
    message.reserve(40 + args.size());
    for (const uint32_t word : {xid, 0u, rpc_version, target.program, target.version, target.procedure, 0u, 0u, 0u, 0u})
        append_word(message, word);
    message.insert(message.end(), args.begin(), args.end());
    return message;
}

Bytes lookup_message(uint32_t xid, const PeerAddress& host, const CallTarget& target, Transport transport) {
    Bytes args;
    append_word(args, target.program);
    append_word(args, target.version);
    if (!host.is_ipv6()) {
        append_word(args, transport == Transport::udp ? IPPROTO_UDP : IPPROTO_TCP);
        append_word(args, 0);
        return call_message(xid, getport, args);
    }
    append_string(args, transport == Transport::udp ? "udp6" : "tcp6");
    append_string(args, "");
    append_string(args, "");
    return call_message(xid, getaddr, args);
}

uint16_t port_in(const PeerAddress& host, std::span<std::byte> results) {
    Arena arena;
    wire::XdrDecoder decoder(results, arena);
    uint32_t port = 0;
    if (!host.is_ipv6()) return decoder.decode(port) && port <= UINT16_MAX ? static_cast<uint16_t>(port) : uint16_t{0};
    std::span<std::byte> text;
    if (!decoder.decode_opaque(text, 128)) return 0;
    return port_of_universal_address({reinterpret_cast<const char*>(text.data()), text.size()});
}

std::optional<Reply> parse_reply(std::span<std::byte> message) {
    Arena arena;
    wire::XdrDecoder decoder(message, arena);
    uint32_t xid = 0, type = 0, is_denied = 0, flavor = 0, status = 0;
    std::span<std::byte> verifier;
    if (!decoder.decode(xid) || !decoder.decode(type) || type != 1 || !decoder.decode(is_denied)) return std::nullopt;
    if (is_denied != 0) return Reply{xid, UINT32_MAX, {}};
    if (!decoder.decode(flavor) || !decoder.decode_opaque(verifier, 400) || !decoder.decode(status))
        return std::nullopt;
    return Reply{xid, status, {decoder.rest().begin(), decoder.rest().end()}};
}

Bytes marked(const Bytes& message) {
    Bytes record;
    record.reserve(mark_bytes + message.size());
    append_word(record, last_fragment | static_cast<uint32_t>(message.size()));
    record.insert(record.end(), message.begin(), message.end());
    return record;
}

TakenRecord take_record(std::span<const std::byte> stream) {
    using Kind = TakenRecord::Kind;
    TakenRecord taken{Kind::incomplete, {}};
    for (size_t fragments = 0; stream.size() >= mark_bytes; ++fragments) {
        uint32_t mark = 0;
        std::memcpy(&mark, stream.data(), mark_bytes);
        mark = ntohl(mark);
        const size_t size = mark & ~last_fragment;
        if (fragments >= max_fragments || taken.record.size() + size > max_reply_bytes) return {Kind::too_long, {}};
        stream = stream.subspan(mark_bytes);
        if (stream.size() < size) break;
        taken.record.insert(taken.record.end(), stream.begin(), stream.begin() + static_cast<ptrdiff_t>(size));
        stream = stream.subspan(size);
        if ((mark & last_fragment) == 0) continue;
        taken.kind = Kind::whole;
        return taken;
    }
    taken.record.clear();
    return taken;
}

}  // namespace lockstep::server::rpc
