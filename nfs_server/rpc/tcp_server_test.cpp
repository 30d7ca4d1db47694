// The server over real sockets: order, back-pressure, limits, ends.
#include "nfs_server/rpc/tcp_server.hpp"

#include <gtest/gtest.h>
#include <lttng/tracepoint.h>

#include <random>

#include "nfs_server/rpc/test_client.hpp"
#include "nfs_server/rpc/test_program.hpp"
#include "tracepoints/rpc.tp"

namespace lockstep::server::rpc {
namespace {

using test::Bytes;
using test::Client;

class TcpServerTest : public testing::Test {
 protected:
    TcpServerTest() { programs_.add(test::test_program(gate_)); }
    ~TcpServerTest() override { gate_.open(); }

    // Only once.
    void start(uint32_t threads = 4, const char* address = "127.0.0.1") {
        server_ = std::make_unique<TcpServer>(limits_, clock_);
        const auto bound = server_->listen(*PeerAddress::parse(address, 0), programs_);
        ASSERT_TRUE(bound.has_value()) << bound.error();
        port_ = bound->port();
        server_->start(threads);
    }
    bool is_served(Client& client) {
        const auto reply = client.call(test::to(0));
        return reply && !reply->denied && reply->status == 0;
    }
    bool is_served() {
        Client client(port_);
        return is_served(client);
    }

    Limits limits_;
    ManualClock clock_;
    test::Gate gate_;
    ProgramSet programs_;
    std::unique_ptr<TcpServer> server_;
    uint16_t port_ = 0;
};

TEST_F(TcpServerTest, ServesManyConnectionsFromManyThreads) {
    start(8);
    std::vector<std::thread> clients;
    std::atomic<int> served{0};
    for (int i = 0; i < 8; ++i) {
        clients.emplace_back([&] {
            Client client(port_);
            for (int call = 0; call < 200; ++call) served += is_served(client) ? 1 : 0;
        });
    }
    for (auto& client : clients) client.join();
    EXPECT_EQ(served, 1600);
}

TEST_F(TcpServerTest, ServesIpv6) {
    start(1, "::1");
    Client client(port_, "::1");
    EXPECT_TRUE(is_served(client));
}

TEST_F(TcpServerTest, BulkDataComesAndGoesUnharmed) {
    start();
    Client client(port_);
    Arena arena;
    for (const uint32_t size : {0u, 1u, 3u, 2047u, 2048u, 5000u, 65536u, 1u << 20}) {
        std::string data(size, '\0');
        const auto written = client.call(test::to(test::consume), wire::xdr_WRITE3args, test::consume_args(size, data),
                                         wire::xdr_WRITE3res, arena);
        ASSERT_TRUE(written.has_value());
        EXPECT_EQ(written->status, wire::NFS3_OK) << size;
        EXPECT_EQ(written->WRITE3res_u.resok.count, size);
        const auto read = client.call(test::to(test::produce), wire::xdr_READ3args, test::produce_args(size, size),
                                      wire::xdr_READ3res, arena);
        ASSERT_TRUE(read.has_value());
        EXPECT_EQ(read->READ3res_u.resok.data.data_len, size);
        EXPECT_TRUE(test::holds_pattern(*read, size));
    }
}

TEST_F(TcpServerTest, RequestsOfOneConnectionCompleteOutOfOrder) {
    start(2);
    Client client(port_);
    Bytes both = test::record_of(test::call_message(1, test::to(test::wait_at_gate)));
    const Bytes second = test::record_of(test::call_message(2, test::to(0)));
    both.insert(both.end(), second.begin(), second.end());
    ASSERT_TRUE(client.send(both));
    EXPECT_EQ(client.receive()->xid, 2u) << "the second does not wait for the first";
    gate_.open();
    EXPECT_EQ(client.receive()->xid, 1u);
}

TEST_F(TcpServerTest, AWaitingRequestDoesNotHoldUpALaterOneOfItsConnection) {
    start(2);
    Client client(port_);
    ASSERT_TRUE(client.send(test::record_of(test::call_message(1, test::to(test::wait_at_gate)))));
    gate_.await(1);
    ASSERT_TRUE(client.send(test::record_of(test::call_message(2, test::to(0)))));
    EXPECT_EQ(client.receive()->xid, 2u);
    gate_.open();
    EXPECT_EQ(client.receive()->xid, 1u);
}

// More of them than there are processors; they do not say that they wait.
TEST_F(TcpServerTest, ProceduresThatWaitDoNotHoldUpOtherConnections) {
    start(16);
    std::vector<std::unique_ptr<Client>> clients;
    for (uint32_t xid = 1; xid <= 12; ++xid) {
        clients.push_back(std::make_unique<Client>(port_));
        ASSERT_TRUE(clients.back()->send(test::record_of(test::call_message(xid, test::to(test::wait_at_gate)))));
    }
    gate_.await(12);
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(is_served());
    gate_.open();
    for (auto& client : clients) EXPECT_TRUE(client->receive().has_value());
}

TEST_F(TcpServerTest, EveryPipelinedRequestIsAnsweredOnce) {
    start(4);
    Client client(port_);
    constexpr uint32_t count = 3000;
    std::thread sender([&] {
        for (uint32_t xid = 1; xid <= count; ++xid)
            client.send(test::record_of(test::call_message(xid, test::to(0)), xid % 7 + 1));
    });
    std::vector<int> answers(count + 1);
    for (uint32_t i = 0; i < count; ++i) {
        const auto reply = client.receive();
        ASSERT_TRUE(reply.has_value()) << i;
        ++answers[reply->xid];
    }
    sender.join();
    for (uint32_t xid = 1; xid <= count; ++xid) EXPECT_EQ(answers[xid], 1) << xid;
}

// 64 replies of 1 MiB to a client that takes none: the server stops reading from it, keeps little, and serves others.
TEST_F(TcpServerTest, ASlowReaderIsBoundedAndHoldsUpNobody) {
    start(4);
    Client slow(port_, "127.0.0.1", 4096);
    constexpr uint32_t size = 1 << 20;
    for (uint32_t xid = 0; xid < 64; ++xid)
        ASSERT_TRUE(slow.send(test::record_of(
            test::call_message(xid, test::to(test::produce), wire::xdr_READ3args, test::produce_args(xid, size)))));
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(is_served());
    EXPECT_LE(server_->counts().held_bytes, limits_.max_queued_output_bytes + 12 * size);

    Arena arena;
    uint64_t seen = 0;
    for (int i = 0; i < 64; ++i) {
        auto reply = slow.receive();
        ASSERT_TRUE(reply.has_value());
        seen |= uint64_t{1} << reply->xid;
        const uint32_t xid = reply->xid;
        const auto res = reply->decode(wire::xdr_READ3res, arena);
        ASSERT_TRUE(res.has_value());
        EXPECT_TRUE(test::holds_pattern(*res, xid));
    }
    EXPECT_EQ(seen, UINT64_MAX);
    ASSERT_TRUE(is_served(slow));
    EXPECT_LE(server_->counts().held_bytes, size_t{1} << 20) << "what was held for the slow client is given back";
}

// A large call that waits at the gate and gets a small reply; what follows its head is nobody's argument.
Bytes large_call(uint32_t xid, size_t size_bytes) {
    Bytes message = test::call_message(xid, test::to(test::wait_at_gate));
    message.resize(size_bytes);
    return test::record_of(message, size_bytes / 2);
}

// Sixteen requests of 512 KiB at once, and memory for eight: they wait for each other. A client that was cut off would
// send all of them again, for ever.
TEST_F(TcpServerTest, AClientThatSendsMoreThanThereIsMemoryForIsSlowedDownAndNotCutOff) {
    limits_.memory_budget_bytes = size_t{4} << 20;
    start(32);
    Client client(port_);
    std::thread sender([&] {
        for (uint32_t xid = 1; xid <= 16; ++xid) EXPECT_TRUE(client.send(large_call(xid, size_t{512} << 10))) << xid;
    });
    gate_.await(2);
    EXPECT_TRUE(is_served()) << "another client";
    EXPECT_LE(server_->counts().held_bytes, limits_.memory_budget_bytes);
    gate_.open();
    for (int i = 0; i < 16; ++i) EXPECT_TRUE(client.receive().has_value()) << i;
    sender.join();
}

// The replies of these requests wait behind others that are not taken; what was received is not kept with them.
TEST_F(TcpServerTest, ARequestThatHasRunIsNotKeptForAClientThatTakesNoReply) {
    constexpr uint32_t reply_bytes = 1 << 20;
    limits_.max_queued_output_bytes = size_t{64} << 20;
    start(4);
    gate_.open();
    Client slow(port_, "127.0.0.1", 4096);
    for (uint32_t xid = 0; xid < 16; ++xid)
        ASSERT_TRUE(slow.send(test::record_of(test::call_message(xid, test::to(test::produce), wire::xdr_READ3args,
                                                                 test::produce_args(0, reply_bytes)))));
    for (uint32_t xid = 16; xid < 80; ++xid) ASSERT_TRUE(slow.send(large_call(xid, size_t{512} << 10)));
    gate_.await(64);
    const auto is_bounded = [&] { return server_->counts().held_bytes <= 18 * size_t{reply_bytes}; };
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!is_bounded() && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    EXPECT_TRUE(is_bounded()) << server_->counts().held_bytes;
    for (int i = 0; i < 80; ++i) EXPECT_TRUE(slow.receive().has_value()) << i;
}

TEST_F(TcpServerTest, RequestsInFlightAreBounded) {
    limits_.max_in_flight = 4;
    start(2);
    Client client(port_);
    for (uint32_t xid = 1; xid <= 2000; ++xid)
        ASSERT_TRUE(client.send(
            test::record_of(test::call_message(xid, test::to(xid <= 2 ? uint32_t{test::wait_at_gate} : 0)))));
    gate_.await(2);
    EXPECT_LE(server_->counts().held_bytes, size_t{1} << 20);
    gate_.open();
    for (int i = 0; i < 2000; ++i) ASSERT_TRUE(client.receive().has_value()) << i;
}

TEST_F(TcpServerTest, AClientThatEndsItsSideStillGetsItsReplies) {
    start(2);
    Client client(port_);
    ASSERT_TRUE(client.send(test::record_of(test::call_message(1, test::to(test::wait_at_gate)))));
    client.end_output();
    gate_.await(1);
    gate_.open();
    EXPECT_TRUE(client.receive().has_value());
    EXPECT_TRUE(client.is_closed_by_server());
}

TEST_F(TcpServerTest, GarbageCostsItsOwnConnectionOnly) {
    start(2);
    Client honest(port_);
    ASSERT_TRUE(is_served(honest));
    const std::vector<Bytes> garbage = {
        test::words({0xffffffff, 1, 2, 3}),                 // a fragment of 2 GiB
        test::words({0x7fffffff}),                          // … that is not the last
        test::record_of(test::words({1, 1, 0})),            // a reply
        test::record_of({}),                                // an empty record
        test::record_of(test::words({1, 0, 2})),            // a call that ends early
        test::words({0x47455420, 0x2f204854, 0x54502f31}),  // HTTP
    };
    for (const Bytes& bytes : garbage) {
        Client client(port_);
        ASSERT_TRUE(client.send(bytes));
        EXPECT_TRUE(client.is_closed_by_server());
        EXPECT_TRUE(is_served(honest));
    }
}

TEST_F(TcpServerTest, ATruncatedFragmentIsForgottenWithItsConnection) {
    start(2);
    for (int i = 0; i < 20; ++i) {
        Client client(port_);
        ASSERT_TRUE(client.send(test::words({0x80000000u | 500'000, 1, 2, 3})));
    }
    EXPECT_TRUE(is_served());
}

TEST_F(TcpServerTest, RandomBytesNeverStopTheService) {
    const uint64_t seed = 7;
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    start(4);
    for (int i = 0; i < 300; ++i) {
        Client client(port_);
        Bytes bytes(random() % 400);
        for (auto& byte : bytes) byte = static_cast<std::byte>(random());
        if (i % 2 == 0) bytes = test::record_of(bytes, 1 + random() % 100);
        client.send(bytes);
    }
    EXPECT_TRUE(is_served());
}

TEST_F(TcpServerTest, AnIdleConnectionGivesWayWhenAllAreTaken) {
    limits_.max_connections = 3;
    start(2);
    Client first(port_);
    ASSERT_TRUE(is_served(first));
    clock_.advance(2'000'000'000);
    Client second(port_);
    Client third(port_);
    ASSERT_TRUE(is_served(second));
    ASSERT_TRUE(is_served(third));
    // Until the thread that answered `first` has put it away, nobody is idle, and a newcomer is refused.
    while (!is_served()) std::this_thread::yield();
    EXPECT_TRUE(first.is_closed_by_server()) << "idle longest";
    EXPECT_TRUE(is_served(second));
    EXPECT_EQ(server_->counts().evicted_connections, 1u);
}

TEST_F(TcpServerTest, BeyondTheLimitANewcomerIsRefusedWhileNoneIsIdle) {
    limits_.max_connections = 2;
    start(2);
    Client first(port_);
    Client second(port_);
    ASSERT_TRUE(is_served(first));
    ASSERT_TRUE(is_served(second));
    Client newcomer(port_);
    EXPECT_TRUE(newcomer.is_closed_by_server());
    EXPECT_TRUE(is_served(first));
    EXPECT_EQ(server_->counts().refused_connections, 1u);
}

TEST_F(TcpServerTest, TimeLimitsCloseWhatIsIdleUnfinishedOrStalled) {
    start(4);
    Client idle(port_);
    ASSERT_TRUE(is_served(idle));
    Client unfinished(port_);
    ASSERT_TRUE(is_served(unfinished));
    ASSERT_TRUE(unfinished.send(test::words({0x80000000u | 100, 1})));
    Client waiting(port_);
    ASSERT_TRUE(waiting.send(test::record_of(test::call_message(1, test::to(test::wait_at_gate)))));
    gate_.await(1);
    Client stalled(port_, "127.0.0.1", 4096);
    for (uint32_t xid = 0; xid < 16; ++xid)
        ASSERT_TRUE(stalled.send(test::record_of(
            test::call_message(xid, test::to(test::produce), wire::xdr_READ3args, test::produce_args(0, 1 << 20)))));
    ASSERT_TRUE(is_served());
    server_->enforce_time_limits();
    EXPECT_EQ(server_->counts().expired_connections, 0u);

    // The loop gives the server time to have read what the clients sent: the limits count from there.
    while (server_->counts().expired_connections < 3) {
        clock_.advance(700'000'000'000);
        server_->enforce_time_limits();
        std::this_thread::yield();
    }
    EXPECT_TRUE(idle.is_closed_by_server());
    EXPECT_TRUE(unfinished.is_closed_by_server());
    gate_.open();
    EXPECT_EQ(waiting.receive()->xid, 1u) << "a request under way is never idle";
}

// What becomes of requests, as an in-process probe meets it. The server's threads fire.
class RequestEnds {
 public:
    RequestEnds() { each_probe(lttng_ust_tracepoint_provider_register); }
    ~RequestEnds() { each_probe(lttng_ust_tracepoint_provider_unregister); }

    std::atomic<uint64_t> received{0};
    std::atomic<uint64_t> replied{0};
    std::atomic<uint64_t> dropped{0};
    std::atomic<uint64_t> last_received_id{0};
    std::atomic<uint64_t> last_dropped_id{0};

 private:
    template <class Register>
    void each_probe(Register probe) {
        const auto with = [&](const char* event, auto callback, const char* signature) {
            auto* const untyped = reinterpret_cast<void (*)()>(+callback);
            if constexpr (std::is_invocable_v<Register, const char*, const char*, void (*)(), void*, const char*>)
                EXPECT_EQ(probe("rpc", event, untyped, this, signature), 0) << event;
            else
                EXPECT_EQ(probe("rpc", event, untyped, this), 0) << event;
        };
        with(
            "call_received",
            [](void* data, uint64_t id, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t) {
                ++static_cast<RequestEnds*>(data)->received;
                static_cast<RequestEnds*>(data)->last_received_id = id;
            },
            "uint64_t, request_id, uint64_t, connection_id, uint32_t, xid, uint32_t, program, uint32_t, version, "
            "uint32_t, procedure, uint32_t, size_bytes");
        with(
            "reply_sent",
            [](void* data, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t) {
                ++static_cast<RequestEnds*>(data)->replied;
            },
            "uint64_t, request_id, uint64_t, connection_id, uint32_t, xid, uint32_t, accept_status, uint32_t, "
            "size_bytes");
        with(
            "call_dropped",
            [](void* data, uint64_t id, uint64_t) {
                ++static_cast<RequestEnds*>(data)->dropped;
                static_cast<RequestEnds*>(data)->last_dropped_id = id;
            },
            "uint64_t, request_id, uint64_t, connection_id");
    }
};

TEST_F(TcpServerTest, ARequestWhoseConnectionEndsIsDroppedForAllToSee) {
    RequestEnds ends;
    start(2);
    {
        Client client(port_);
        ASSERT_TRUE(client.send(test::record_of(test::call_message(1, test::to(test::wait_at_gate)))));
        gate_.await(1);
        const linger reset{.l_onoff = 1, .l_linger = 0};
        setsockopt(client.socket(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    while (server_->counts().open_connections != 0) std::this_thread::yield();
    EXPECT_EQ(ends.dropped, 0u) << "it is still running";
    gate_.open();
    server_->stop();
    EXPECT_EQ(ends.received, 1u);
    EXPECT_EQ(ends.replied, 0u);
    EXPECT_EQ(ends.dropped, 1u);
    EXPECT_EQ(ends.last_dropped_id, ends.last_received_id);
}

TEST_F(TcpServerTest, StopAnswersWhatIsUnderWayAndTakesNothingNew) {
    start(2);
    Client client(port_);
    ASSERT_TRUE(client.send(test::record_of(test::call_message(1, test::to(test::wait_at_gate)))));
    gate_.await(1);
    std::thread stopper([&] { server_->stop(); });
    while (is_served()) std::this_thread::yield();
    gate_.open();
    EXPECT_EQ(client.receive()->xid, 1u);
    EXPECT_TRUE(client.is_closed_by_server());
    stopper.join();
    EXPECT_EQ(server_->counts().open_connections, 0u);
    EXPECT_EQ(server_->counts().held_bytes, 0u);
}

TEST_F(TcpServerTest, APortInUseIsAnErrorThatNamesIt) {
    start(1);
    TcpServer other;
    const auto bound = other.listen(*PeerAddress::parse("127.0.0.1", port_), programs_);
    ASSERT_FALSE(bound.has_value());
    EXPECT_NE(bound.error().find(std::to_string(port_)), std::string::npos) << bound.error();
}

}  // namespace
}  // namespace lockstep::server::rpc
