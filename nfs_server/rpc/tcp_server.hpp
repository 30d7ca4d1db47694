// ONC RPC over TCP: listening sockets, connections, and the threads that serve them. Rpc layer.
//
// All threads are alike, and few of them at work (crew.hpp). Each of these waits for the next event of any socket,
// reads what has come, runs the first request itself and leaves the others to whoever is free. So a request costs no
// hand-over between threads, and one that waits for the disk or a lock gives its place to another thread. Who is sent
// one request after another by brisk clients stays with these for as long as nobody else needs a thread
// (attendants.hpp).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "nfs_server/base/clock.hpp"
#include "nfs_server/base/result.hpp"
#include "nfs_server/rpc/attendants.hpp"
#include "nfs_server/rpc/call_queue.hpp"
#include "nfs_server/rpc/connection_table.hpp"
#include "nfs_server/rpc/crew.hpp"
#include "nfs_server/rpc/file_descriptor.hpp"
#include "nfs_server/rpc/limits.hpp"
#include "nfs_server/rpc/memory_budget.hpp"
#include "nfs_server/rpc/patience.hpp"
#include "nfs_server/rpc/peer_address.hpp"
#include "nfs_server/rpc/program.hpp"

namespace lockstep::server::rpc {

class TcpServer {
 public:
    // Numbers since the start, for logs and metrics.
    struct Counts {
        uint64_t accepted_connections;
        uint64_t refused_connections;  // because of the limit
        uint64_t evicted_connections;  // idle ones that gave way
        uint64_t expired_connections;  // by a time limit
        size_t open_connections;
        size_t attended_connections;  // with a thread that stays
        size_t held_bytes;            // of the memory budget
    };

    // The clock must outlive the server. Errors of the system at construction: std::system_error.
    explicit TcpServer(const Limits& limits = {}, const Clock& clock = system_clock());
    // Stops at once, if stop() was not called.
    ~TcpServer();

    // Opens a listening socket; port 0 takes a free one. Gives the address that it really has. The programs must
    // outlive the server. Only before start(). Error: a message that names the address and the cause.
    Result<PeerAddress, std::string> listen(const PeerAddress& address, const ProgramSet& programs);

    // Serves on a socket that listens already, given by a service manager. Only before start().
    PeerAddress adopt(FileDescriptor socket, const ProgramSet& programs);

    // Serves with that many threads, at least 1: as many requests can wait for the disk at a time.
    void start(uint32_t threads);

    // Takes no new connection and no new request, answers what is under way, closes all and ends the threads. What is
    // not done after the grace of the limits is cut off, but for procedures that run: those are waited for. Once.
    void stop();

    // Enforces the time limits now; the server does so itself twice a second.
    void enforce_time_limits();

    Counts counts() const;

 private:
    struct Listener {
        FileDescriptor socket;
        std::unique_ptr<Dispatcher> dispatcher;
    };

    void watch(int descriptor, uint32_t events, uint64_t token);
    void work();
    bool wait_for_event();
    void handle(uint64_t token, uint32_t events);
    void handle_connection(uint64_t id, uint32_t events);
    void accept_all(Listener& listener);
    void admit(Listener& listener, int socket, const PeerAddress& peer);
    bool make_way();
    void attend(const std::shared_ptr<Connection>& connection);
    bool attend_to_all(Attendants::Stay& stay, int64_t now_ns, bool waits);
    bool ask_patiently(Attendants::Stay& stay, Patience& patience);
    bool sleep(Attendants::Stay& stay);
    bool is_at_leisure(const Connection& connection) const;
    void serve_first(const std::shared_ptr<Connection>& connection, Connection::Calls& calls);
    void run(CallQueue::Task&& task);
    void forget_if_closed(const std::shared_ptr<Connection>& connection);

    const Limits limits_;
    const Clock& clock_;
    MemoryBudget budget_;
    FileDescriptor epoll_;
    FileDescriptor timer_;
    FileDescriptor stop_;     // readable for ever once the threads shall end
    FileDescriptor reserve_;  // given up for a moment to turn a newcomer away when descriptors have run out
    std::mutex reserve_mutex_;
    std::deque<Listener> listeners_;
    ConnectionTable connections_;
    CallQueue queue_;
    Attendants attendants_;
    Crew crew_;
    std::vector<std::thread> threads_;

    std::atomic<bool> draining_{false};
    std::atomic<bool> stopping_{false};
    bool stopped_ = false;
    std::mutex gone_mutex_;
    std::condition_variable gone_;  // a connection was forgotten
    std::mutex time_limits_mutex_;

    std::atomic<uint64_t> last_connection_id_{0};
    std::atomic<uint64_t> accepted_{0};
    std::atomic<uint64_t> refused_{0};
    std::atomic<uint64_t> evicted_{0};
    std::atomic<uint64_t> expired_{0};
};

}  // namespace lockstep::server::rpc
