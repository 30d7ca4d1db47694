// An RPC client for tests: blocking, small, and able to send what no honest client sends. Not part of the server.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "nfs_server/base/arena.hpp"
#include "nfs_server/base/check.hpp"
#include "nfs_server/rpc/message.hpp"
#include "nfs_server/rpc/peer_address.hpp"
#include "nfs_server/rpc/program.hpp"

namespace lockstep::server::rpc::test {

using Bytes = std::vector<std::byte>;

inline void append_word(Bytes& bytes, uint32_t value) {
    const uint32_t word = htonl(value);
    const auto* from = reinterpret_cast<const std::byte*>(&word);
    bytes.insert(bytes.end(), from, from + sizeof word);
}

inline Bytes words(std::initializer_list<uint32_t> values) {
    Bytes bytes;
    for (const uint32_t value : values) append_word(bytes, value);
    return bytes;
}

inline Bytes gathered(const std::vector<iovec>& pieces) {
    Bytes bytes;
    for (const iovec& piece : pieces) {
        const auto* from = static_cast<const std::byte*>(piece.iov_base);
        bytes.insert(bytes.end(), from, from + piece.iov_len);
    }
    return bytes;
}

// What a call is addressed to; the rest of its head is correct.
struct Target {
    uint32_t program;
    uint32_t version;
    uint32_t procedure;
};

// A call's message without record mark, its credential AUTH_SYS of `uid` if given, else AUTH_NONE.
template <class Args = NoValue>
Bytes call_message(uint32_t xid, Target target, bool_t (*xdr_args)(XDR*, Args*) = xdr_no_value, Args args = {},
                   std::optional<uint32_t> uid = std::nullopt) {
    Bytes message = words({xid, 0, 2, target.program, target.version, target.procedure});
    if (uid) {
        for (const uint32_t word : {1u, 28u, 0u, 4u}) append_word(message, word);
        for (const char c : {'t', 'e', 's', 't'}) message.push_back(static_cast<std::byte>(c));
        for (const uint32_t word : {*uid, *uid, 1u, *uid + 1, 0u, 0u}) append_word(message, word);
    } else {
        for (int i = 0; i < 4; ++i) append_word(message, 0);
    }
    Arena arena;
    std::vector<iovec> pieces;
    wire::XdrEncoder encoder(arena, pieces);
    check(encoder.encode(xdr_args, args), "the test's arguments encode");
    encoder.finish();
    const Bytes encoded = gathered(pieces);
    message.insert(message.end(), encoded.begin(), encoded.end());
    return message;
}

// The message as one record of fragments of at most `fragment_bytes`.
inline Bytes record_of(const Bytes& message, size_t fragment_bytes = SIZE_MAX) {
    Bytes record;
    size_t offset = 0;
    do {
        const size_t size = std::min(fragment_bytes, message.size() - offset);
        const bool last = offset + size == message.size();
        append_word(record, (last ? 0x80000000u : 0u) | static_cast<uint32_t>(size));
        record.insert(record.end(), message.begin() + static_cast<ptrdiff_t>(offset),
                      message.begin() + static_cast<ptrdiff_t>(offset + size));
        offset += size;
    } while (offset < message.size());
    return record;
}

// A reply's head, taken apart, and the bytes after it.
struct Reply {
    uint32_t xid = 0;
    bool denied = false;
    uint32_t status = 0;  // accept_stat or reject_stat
    Bytes rest;

    // Decodes the results into `arena`, which must live as long as they are used.
    template <class Res>
    std::optional<Res> decode(bool_t (*xdr_res)(XDR*, Res*), Arena& arena) {
        wire::XdrDecoder decoder(rest, arena);
        Res res{};
        if (denied || status != 0 || !decoder.decode(xdr_res, res)) return std::nullopt;
        return res;
    }
    uint32_t word(size_t index) const {
        uint32_t value = 0;
        std::memcpy(&value, rest.data() + index * 4, 4);
        return ntohl(value);
    }
};

inline std::optional<Reply> parse_reply(Bytes bytes) {
    Arena arena;
    wire::XdrDecoder decoder(bytes, arena);
    uint32_t type = 0;
    uint32_t denied = 0;
    uint32_t flavor = 0;
    std::span<std::byte> verifier;
    Reply reply;
    if (!decoder.decode(reply.xid) || !decoder.decode(type) || type != 1 || !decoder.decode(denied) || denied > 1)
        return std::nullopt;
    reply.denied = denied == 1;
    if (!reply.denied && (!decoder.decode(flavor) || !decoder.decode_opaque(verifier, 400))) return std::nullopt;
    if (!decoder.decode(reply.status)) return std::nullopt;
    reply.rest.assign(decoder.rest().begin(), decoder.rest().end());
    return reply;
}

// One TCP connection to a server under test. What takes longer than ten seconds has failed.
class Client {
 public:
    explicit Client(uint16_t port, const char* address = "127.0.0.1", int receive_buffer_bytes = 0) {
        const auto server = PeerAddress::parse(address, port);
        check(server.has_value(), "the test's address is one");
        socket_ = ::socket(server->get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const timeval limit{.tv_sec = 10, .tv_usec = 0};
        setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (receive_buffer_bytes != 0)
            setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
        const int on = 1;
        setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connected_ = ::connect(socket_, server->get(), server->size_bytes()) == 0;
    }
    ~Client() { ::close(socket_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    bool is_connected() const { return connected_; }
    int socket() const { return socket_; }

    // False: the server no longer takes bytes.
    bool send(const Bytes& bytes) {
        size_t sent = 0;
        while (sent < bytes.size()) {
            const ssize_t n = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
            if (n <= 0) return false;
            sent += static_cast<size_t>(n);
        }
        return true;
    }
    void end_output() { ::shutdown(socket_, SHUT_WR); }

    // The next reply record; nothing when the server has closed the connection (or ten seconds have passed).
    std::optional<Bytes> receive_record() {
        Bytes record;
        for (bool last = false; !last;) {
            uint32_t mark = 0;
            if (!receive_into(&mark, sizeof mark)) return std::nullopt;
            mark = ntohl(mark);
            last = (mark >> 31) != 0;
            const size_t before = record.size();
            record.resize(before + (mark & 0x7fffffff));
            if (!receive_into(record.data() + before, record.size() - before)) return std::nullopt;
        }
        return record;
    }
    std::optional<Reply> receive() {
        auto record = receive_record();
        return record ? parse_reply(std::move(*record)) : std::nullopt;
    }
    // True when the server closed the connection and sent nothing before.
    bool is_closed_by_server() {
        char byte = 0;
        const ssize_t n = ::recv(socket_, &byte, 1, 0);
        return n == 0 || (n < 0 && errno == ECONNRESET);
    }

    template <class Args = NoValue>
    std::optional<Reply> call(Target target, bool_t (*xdr_args)(XDR*, Args*) = xdr_no_value, Args args = {},
                              std::optional<uint32_t> uid = std::nullopt) {
        if (!send(record_of(call_message(next_xid_++, target, xdr_args, args, uid)))) return std::nullopt;
        return receive();
    }
    // Calls and decodes the results into `arena`; nothing when the call did not succeed.
    template <class Args, class Res>
    std::optional<Res> call(Target target, bool_t (*xdr_args)(XDR*, Args*), Args args, bool_t (*xdr_res)(XDR*, Res*),
                            Arena& arena, std::optional<uint32_t> uid = std::nullopt) {
        auto reply = call(target, xdr_args, args, uid);
        if (!reply) return std::nullopt;
        auto& kept = replies_.emplace_back(std::move(*reply));
        return kept.decode(xdr_res, arena);
    }

 private:
    bool receive_into(void* to, size_t size_bytes) {
        size_t got = 0;
        while (got < size_bytes) {
            const ssize_t n = ::recv(socket_, static_cast<std::byte*>(to) + got, size_bytes - got, 0);
            if (n <= 0) return false;
            got += static_cast<size_t>(n);
        }
        return true;
    }

    int socket_ = -1;
    bool connected_ = false;
    // Two connections of one address must not use a number twice: that would be a retransmission.
    inline static std::atomic<uint32_t> next_xid_{1001};
    std::deque<Reply> replies_;  // decoded results point into them
};

}  // namespace lockstep::server::rpc::test
