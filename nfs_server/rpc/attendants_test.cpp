// Threads that stay with a few connections: when, and that nothing else is held up by it. Over real sockets; and the
// rules that it follows, for themselves.
#include "nfs_server/rpc/attendants.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "nfs_server/rpc/tcp_server.hpp"
#include "nfs_server/rpc/test_client.hpp"
#include "nfs_server/rpc/test_program.hpp"

namespace lockstep::server::rpc {
namespace {

using test::Client;

class AttendantsTest : public testing::Test {
 protected:
    AttendantsTest() : server_({}, clock_) {
        programs_.add(test::test_program(gate_));
        port_ = server_.listen(*PeerAddress::parse("127.0.0.1", 0), programs_)->port();
    }
    ~AttendantsTest() override { gate_.open(); }

    void call(Client& client) { ASSERT_TRUE(client.call(test::to(0)).has_value()); }
    // Until a thread stays with it. On one processor or many: one client alone is never too many.
    void be_brisk(Client& client) {
        while (server_.counts().attended_connections == 0) call(client);
    }
    void await_nobody_attended() {
        while (server_.counts().attended_connections != 0) std::this_thread::yield();
    }

    ManualClock clock_;
    test::Gate gate_;
    ProgramSet programs_;
    TcpServer server_;
    uint16_t port_ = 0;
};

TEST_F(AttendantsTest, AThreadStaysWithABriskClientAndLeavesItWhenItPauses) {
    server_.start(4);
    Client client(port_);
    be_brisk(client);
    for (int i = 0; i < 1000; ++i) call(client);
    await_nobody_attended();
    call(client);
}

// The only thread looks at the sockets of all.
TEST_F(AttendantsTest, NobodyStaysWhereNobodyElseLooksAtTheSockets) {
    server_.start(1);
    Client client(port_);
    for (int i = 0; i < 200; ++i) {
        call(client);
        ASSERT_EQ(server_.counts().attended_connections, 0u);
    }
}

// Its thread is held up by the first request, and does not say so.
TEST_F(AttendantsTest, ARequestThatWaitsDoesNotHoldUpTheNextOfItsConnection) {
    server_.start(4);
    Client client(port_);
    be_brisk(client);
    ASSERT_TRUE(client.send(test::record_of(test::call_message(1'000'001, test::to(test::wait_at_gate)))));
    gate_.await(1);
    ASSERT_TRUE(client.send(test::record_of(test::call_message(1'000'002, test::to(0)))));
    EXPECT_EQ(client.receive()->xid, 1'000'002u);
    gate_.open();
    EXPECT_EQ(client.receive()->xid, 1'000'001u);
}

TEST_F(AttendantsTest, SeveralRequestsAtOnceAreAllAnswered) {
    server_.start(4);
    Client client(port_);
    for (uint32_t round = 0; round < 20; ++round) {
        be_brisk(client);
        test::Bytes many;
        for (uint32_t i = 0; i < 50; ++i) {
            const auto record = test::record_of(test::call_message(2'000'000 + i, test::to(0)), i % 5 + 1);
            many.insert(many.end(), record.begin(), record.end());
        }
        ASSERT_TRUE(client.send(many));
        uint64_t seen = 0;
        for (uint32_t i = 0; i < 50; ++i) seen |= uint64_t{1} << (client.receive()->xid - 2'000'000);
        EXPECT_EQ(seen, (uint64_t{1} << 50) - 1);
    }
}

// More replies than the sockets hold: what is left leaves when the client reads on, though nobody was told meanwhile.
TEST_F(AttendantsTest, RepliesThatTheClientDoesNotTakeAtOnceLeaveLater) {
    server_.start(4);
    Client client(port_, "127.0.0.1", 4096);
    be_brisk(client);
    constexpr uint32_t size = 1 << 20;
    for (uint32_t i = 0; i < 16; ++i)
        ASSERT_TRUE(client.send(test::record_of(test::call_message(3'000'000 + i, test::to(test::produce),
                                                                   wire::xdr_READ3args, test::produce_args(i, size)))));
    Arena arena;
    for (uint32_t i = 0; i < 16; ++i) {
        auto reply = client.receive();
        ASSERT_TRUE(reply.has_value()) << i;
        const uint32_t xid = reply->xid;
        const auto res = reply->decode(wire::xdr_READ3res, arena);
        ASSERT_TRUE(res.has_value());
        EXPECT_TRUE(test::holds_pattern(*res, xid - 3'000'000));
    }
}

TEST_F(AttendantsTest, OthersAreServedWhileAThreadStaysWithOne) {
    server_.start(4);
    Client brisk(port_);
    be_brisk(brisk);
    std::atomic<bool> ends{false};
    std::thread goes_on([&] {
        while (!ends) brisk.call(test::to(0));
    });
    for (int i = 0; i < 200; ++i) {
        Client other(port_);
        call(other);
    }
    ends = true;
    goes_on.join();
}

TEST_F(AttendantsTest, WhenTheClientEndsItsConnectionIsGone) {
    server_.start(4);
    {
        Client client(port_);
        be_brisk(client);
    }
    while (server_.counts().open_connections != 0) std::this_thread::yield();
    await_nobody_attended();
}

TEST_F(AttendantsTest, StopEndsTheStay) {
    server_.start(4);
    Client client(port_);
    be_brisk(client);
    server_.stop();
    EXPECT_TRUE(client.is_closed_by_server());
    EXPECT_EQ(server_.counts().attended_connections, 0u);
}

// Clients in threads of their own, each of which calls until it is told to end.
class BriskClients {
 public:
    BriskClients(uint16_t port, size_t count) {
        for (size_t i = 0; i < count; ++i)
            threads_.emplace_back([this, port] {
                Client client(port);
                while (!ends_)
                    if (!client.call(test::to(0))) ++failures_;
            });
    }
    ~BriskClients() {
        ends_ = true;
        for (auto& thread : threads_) thread.join();
        EXPECT_EQ(failures_, 0u);
    }

 private:
    std::atomic<bool> ends_{false};
    std::atomic<size_t> failures_{0};
    std::vector<std::thread> threads_;
};

class FewAttendantsTest : public testing::Test {
 protected:
    FewAttendantsTest() : server_({.attending_threads = 1}, clock_) {
        programs_.add(test::test_program(gate_));
        port_ = server_.listen(*PeerAddress::parse("127.0.0.1", 0), programs_)->port();
        server_.start(8);
    }
    ~FewAttendantsTest() override { gate_.open(); }

    void await_attended(size_t connections) {
        while (server_.counts().attended_connections != connections) std::this_thread::yield();
    }

    ManualClock clock_;
    test::Gate gate_;
    ProgramSet programs_;
    TcpServer server_;
    uint16_t port_ = 0;
};

TEST_F(FewAttendantsTest, AThreadStaysWithSeveralBriskClients) {
    BriskClients clients(port_, 3);
    await_attended(3);
}

TEST_F(FewAttendantsTest, MoreBriskClientsThanMayStayAreAllServed) {
    BriskClients many(port_, 20);
    Client other(port_);
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(other.call(test::to(0)).has_value());
}

// Its request holds up the thread that stays with all of them, and does not say so.
TEST_F(FewAttendantsTest, ARequestThatWaitsHoldsUpNoneOfThoseBesideIt) {
    BriskClients others(port_, 2);
    await_attended(2);
    Client waits(port_);
    while (server_.counts().attended_connections != 3) ASSERT_TRUE(waits.call(test::to(0)).has_value());
    ASSERT_TRUE(waits.send(test::record_of(test::call_message(1'000'001, test::to(test::wait_at_gate)))));
    gate_.await(1);
    BriskClients newcomers(port_, 2);
    Client one(port_);
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(one.call(test::to(0)).has_value());
    gate_.open();
    EXPECT_EQ(waits.receive()->xid, 1'000'001u);
}

TEST_F(FewAttendantsTest, StopEndsTheStayWithAllOfThem) {
    Client one(port_);
    Client two(port_);
    while (server_.counts().attended_connections != 2) {
        ASSERT_TRUE(one.call(test::to(0)).has_value());
        ASSERT_TRUE(two.call(test::to(0)).has_value());
    }
    server_.stop();
    EXPECT_TRUE(one.is_closed_by_server());
    EXPECT_TRUE(two.is_closed_by_server());
    EXPECT_EQ(server_.counts().attended_connections, 0u);
}

constexpr uint64_t windows(uint64_t count) {
    return count * Briskness::window + 1;
}

TEST(Briskness, AClientIsBriskAfterAWindowOfSoonAndSingleRequests) {
    Briskness client;
    for (uint64_t i = 0; i < Briskness::window; ++i) {
        client.request(1000, true, i);
        EXPECT_FALSE(client.is_brisk());
    }
    client.request(1000, true, Briskness::window);
    EXPECT_TRUE(client.is_brisk());
    EXPECT_EQ(client.clients_of_crew(), 1u);
    client.request(Briskness::longest_gap_ns + 1, true, 0);
    EXPECT_FALSE(client.is_brisk()) << "a pause";
    for (uint64_t i = 0; i < windows(1); ++i) client.request(1000, true, i);
    EXPECT_TRUE(client.is_brisk());
    client.request(1000, false, 0);
    EXPECT_FALSE(client.is_brisk()) << "several at once";
}

TEST(Briskness, TellsHowManyClientsTheCrewHas) {
    Briskness client;
    for (uint64_t i = 0; i < windows(1); ++i) client.request(0, true, 3 * i);
    EXPECT_EQ(client.clients_of_crew(), 3u);
    client.change_hands();
    EXPECT_EQ(client.clients_of_crew(), 0u) << "so far unknown";
    EXPECT_TRUE(client.is_brisk());
    for (uint64_t i = 0; i < windows(1); ++i) client.request(0, true, 1000 + 2 * i);
    EXPECT_EQ(client.clients_of_crew(), 2u);
}

TEST(Patience, AsksAgainAndAgainWhileThatFindsRequests) {
    ManualClock clock;
    Patience patience(25'000, clock);
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(patience.begins());
        clock.advance(24'000);
        EXPECT_TRUE(patience.goes_on());
        patience.was_answered();
    }
}

// Whether it waited alone, or others had the processor meanwhile.
TEST(Patience, SleepsTwiceAsOftenEachTimeThatItAskedInVain) {
    ManualClock clock;
    Patience patience(25'000, clock);
    for (const int skipped : {1, 2, 4, 8}) {
        ASSERT_TRUE(patience.begins());
        clock.advance(25'000);
        EXPECT_FALSE(patience.goes_on());
        for (int i = 0; i < skipped; ++i) EXPECT_FALSE(patience.begins());
    }
    EXPECT_TRUE(patience.begins());
}

TEST(Patience, ThatIsNoneNeverAsks) {
    ManualClock clock;
    Patience patience(0, clock);
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(patience.begins());
}

}  // namespace
}  // namespace lockstep::server::rpc
