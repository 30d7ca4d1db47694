// For tests: calls over any transport. Not part of the server.
#pragma once

#include <memory>
#include <ostream>

#include "nfs_server/rpc/file_descriptor.hpp"
#include "nfs_server/rpc/test_client.hpp"

namespace lockstep::server::rpc::test {

struct Transport {
    const char* name;
    const char* address;
    bool is_udp;

    // Names a test: without it GoogleTest shows addresses, which differ from build to build.
    friend void PrintTo(const Transport& transport, std::ostream* out) { *out << transport.name; }
};

// Sends a message and waits for its reply, over any transport.
class Connection {
 public:
    Connection(const Transport& transport, uint16_t port) : is_udp_(transport.is_udp) {
        if (!is_udp_) {
            stream_ = std::make_unique<Client>(port, transport.address);
            return;
        }
        const auto server = *PeerAddress::parse(transport.address, port);
        datagrams_ = FileDescriptor(::socket(server.get()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const timeval limit{.tv_sec = 10, .tv_usec = 0};
        setsockopt(datagrams_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        check(connect(datagrams_.get(), server.get(), server.size_bytes()) == 0, "connect");
    }
    Bytes exchange(const Bytes& message) {
        if (!is_udp_) {
            if (!stream_->send(record_of(message))) return {};
            return stream_->receive_record().value_or(Bytes());
        }
        send(datagrams_.get(), message.data(), message.size(), 0);
        Bytes reply(65536);
        const ssize_t got = recv(datagrams_.get(), reply.data(), reply.size(), 0);
        reply.resize(got > 0 ? static_cast<size_t>(got) : 0);
        return reply;
    }

 private:
    bool is_udp_;
    std::unique_ptr<Client> stream_;
    FileDescriptor datagrams_;
};

}  // namespace lockstep::server::rpc::test
