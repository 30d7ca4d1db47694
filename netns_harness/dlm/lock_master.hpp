// The master of some resources: owners' sessions over TCP, one thread. A session that ends takes its locks and requests
// with it, so an owner that dies leaves nothing behind.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "netns_harness/dlm/message.hpp"
#include "netns_harness/dlm/resource.hpp"
#include "netns_harness/dlm/socket.hpp"

namespace lockstep::dlm {

// The resources of one master and what each session is answered; without sockets. One thread.
class LockService {
 public:
    // A line for a session.
    using Send = std::function<void(Owner, const Message&)>;
    LockService(Send send, std::function<bool()> overlooks)
        : send_(std::move(send)), overlooks_(std::move(overlooks)) {}

    // False: the session breaks the protocol and must end.
    bool take(Owner owner, const Message& message);
    // The session has ended.
    void forget(Owner owner);

    std::size_t resources_in_use() const { return resources_.size(); }

 private:
    struct Session {
        std::string name;  // empty: it has not said hello
        bool waiting = false;
        std::uint32_t waits_as = 0;  // the request that waits
    };
    bool hello(Session& session, const Message& message);
    bool lock(Owner owner, Session& session, const Message& message);
    bool cancel(Owner owner, Session& session, const Message& message);
    bool unlock(Owner owner, const Message& message);
    Resource& resource(const std::string& name);
    void settle(const std::string& name);

    Send send_;
    std::function<bool()> overlooks_;
    std::map<Owner, Session> sessions_;
    std::map<std::string, Resource> resources_;  // in use only
};

class LockMaster {
 public:
    // Serves at `address` until it is destroyed. `overlooks` as Resource's, called by the master's thread. Throws
    // SocketError.
    explicit LockMaster(
        const Address& address, std::function<bool()> overlooks = [] { return false; });
    ~LockMaster();
    LockMaster(const LockMaster&) = delete;
    LockMaster& operator=(const LockMaster&) = delete;

    int port() const { return port_of(listening_); }
    // How many sessions there are now. Any thread.
    std::size_t sessions() const { return sessions_count_; }

 private:
    struct Connection {
        Fd fd;
        LineReader lines;
        std::string unsent;
        bool broken = false;
    };
    void serve();
    bool wait_for_work();
    void accept_all();
    void read_from(Owner owner, Connection& connection);
    void take_lines(Owner owner, Connection& connection);
    void send(Owner owner, const Message& message);
    static void flush(Connection& connection);
    void drop_broken();

    Fd listening_;
    Fd stop_;
    std::map<Owner, Connection> connections_;
    Owner next_owner_ = 1;
    LockService service_;
    std::atomic<std::size_t> sessions_count_{0};
    std::thread thread_;
};

}  // namespace lockstep::dlm
