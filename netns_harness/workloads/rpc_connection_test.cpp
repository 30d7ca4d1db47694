#include "netns_harness/workloads/rpc_connection.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <set>
#include <thread>

namespace lockstep::workloads {
namespace {

constexpr int threads = 8, rounds = 25;

// Answers the first call of each connection, which is libnfs' NULL, and keeps the calls' numbers.
class Answerer {
 public:
    Answerer() : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_ANY);
        socklen_t size = sizeof address;
        if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, threads) != 0 ||
            getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
            ADD_FAILURE() << "cannot listen";
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    ~Answerer() {
        if (thread_.joinable()) thread_.join();
        for (const int peer : peers_) close(peer);
        close(listener_);
    }

    int port() const { return port_; }
    // Waits until every connection has been made.
    const std::vector<std::uint32_t>& numbers() {
        thread_.join();
        return numbers_;
    }

 private:
    void serve() {
        for (int connection = 0; connection < threads * rounds; ++connection) {
            const int peer = accept(listener_, nullptr, nullptr);
            std::uint32_t call[2] = {};  // record mark, xid
            if (recv(peer, call, sizeof call, MSG_WAITALL) != sizeof call) ADD_FAILURE() << "no call";
            numbers_.push_back(ntohl(call[1]));
            // A record of 24 bytes: xid, REPLY, accepted, no verifier, SUCCESS.
            const std::uint32_t reply[7] = {htonl(0x80000000U | 24), call[1], htonl(1), 0, 0, 0, 0};
            if (send(peer, reply, sizeof reply, MSG_NOSIGNAL) != sizeof reply) ADD_FAILURE() << "no reply";
            peers_.push_back(peer);
        }
    }

    int listener_;
    int port_ = 0;
    std::vector<std::uint32_t> numbers_;
    std::vector<int> peers_;
    std::thread thread_;
};

// A server that keeps replies knows a call by its client's address and its number.
TEST(RpcConnection, OnesThatAreMadeAtOnceNumberTheirCallsDifferently) {
    std::vector<std::uint32_t> numbers;
    {
        Answerer answerer;
        std::barrier at_once(threads);
        std::vector<std::thread> makers;
        for (int thread = 0; thread < threads; ++thread)
            makers.emplace_back([&, thread] {
                for (int round = 0; round < rounds; ++round) {
                    at_once.arrive_and_wait();
                    // An address each: of the ports that root's libnfs binds to, some are in use.
                    const std::string address = "127.0.1." + std::to_string(1 + thread * rounds + round);
                    RpcConnection(address, answerer.port(), 100003, 3, std::chrono::seconds(20));
                }
            });
        for (std::thread& maker : makers) maker.join();
        numbers = answerer.numbers();
    }
    EXPECT_EQ(numbers.size(), std::size_t{threads * rounds});
    const std::set<std::uint32_t> different(numbers.begin(), numbers.end());
    EXPECT_EQ(different.size(), numbers.size());
}

}  // namespace
}  // namespace lockstep::workloads
