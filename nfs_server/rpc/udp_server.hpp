// ONC RPC over UDP: a datagram is a call, its answer a datagram back. Rpc layer.
//
// For the small calls of MOUNT, NLM and NSM, which kernels make over UDP; NFS works as long as its replies fit. The
// socket's buffer is the queue: what it does not hold is lost, and the client asks again.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "nfs_server/base/result.hpp"
#include "nfs_server/rpc/dispatcher.hpp"
#include "nfs_server/rpc/file_descriptor.hpp"
#include "nfs_server/rpc/peer_address.hpp"
#include "nfs_server/rpc/program.hpp"

namespace lockstep::server::rpc {

// Connection ids of datagrams begin here; those of streams are below.
inline constexpr uint64_t first_udp_connection_id = uint64_t{1} << 48;

class UdpServer {
 public:
    // Errors of the system: std::system_error.
    UdpServer();
    ~UdpServer();
    UdpServer(const UdpServer&) = delete;
    UdpServer& operator=(const UdpServer&) = delete;

    // Opens a socket; port 0 takes a free one. Gives the address that it really has. The programs must outlive the
    // server. Only before start(). Error: a message that names the address and the cause.
    Result<PeerAddress, std::string> listen(const PeerAddress& address, const ProgramSet& programs);
    // Serves on a socket that is bound already, given by a service manager. Only before start().
    PeerAddress adopt(FileDescriptor socket, const ProgramSet& programs);
    // Serves with that many threads, at least 1: as many requests can wait for the disk at a time.
    void start(uint32_t threads);
    // Answers what is under way and ends the threads.
    void stop();

 private:
    struct Listener {
        FileDescriptor socket;
        std::unique_ptr<Dispatcher> dispatcher;
        uint64_t connection_id;  // all datagrams of a socket are one connection's, for the tracepoints
    };
    void work();
    void serve_one(const Listener& listener, std::span<std::byte> buffer);

    FileDescriptor stop_;  // readable for ever once the threads shall end
    std::deque<Listener> listeners_;
    std::vector<std::thread> threads_;
};

}  // namespace lockstep::server::rpc
