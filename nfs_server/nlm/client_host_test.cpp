// The lock manager calls its clients: of grants, and with answers to messages.
#include "nfs_server/nlm/test_client_host.hpp"

namespace lockstep::server::nlm {
namespace {

using namespace test;

TEST_F(ClientHostTest, AWaitingClientIsToldOfItsGrant) {
    start();
    EXPECT_EQ(lock(1), NLM4_GRANTED);
    EXPECT_EQ(lock(2), NLM4_BLOCKED);
    EXPECT_EQ(unlock(1), NLM4_GRANTED);
    EXPECT_EQ(host_.next(), "granted 2");
    EXPECT_EQ(lock(1, false), NLM4_DENIED);
}

TEST_F(ClientHostTest, AClientThatServesTcpOnlyIsToldOverTcp) {
    start();
    host_.register_for_tcp_only();
    EXPECT_EQ(lock(1), NLM4_GRANTED);
    EXPECT_EQ(lock(2), NLM4_BLOCKED);
    EXPECT_EQ(unlock(1), NLM4_GRANTED);
    EXPECT_EQ(host_.next(), "granted 2");
    EXPECT_EQ(lock(1, false), NLM4_DENIED);
    nlm4_lockargs args{};
    args.exclusive = TRUE;
    args.alock = alock(3);
    call({NLM_PROGRAM, 4, NLMPROC4_LOCK_MSG}, xdr_nlm4_lockargs, args, rpc::xdr_no_value);
    EXPECT_EQ(host_.next(), "lock_res " + std::to_string(NLM4_DENIED)) << "also a message is answered";
}

TEST_F(ClientHostTest, AClientThatTurnsConnectionsAwayIsLookedUpAgain) {
    start();
    {
        const rpc::FileDescriptor nobody(socket(AF_INET, SOCK_STREAM, 0));
        const auto any = *rpc::PeerAddress::parse("127.0.0.1", 0);
        ASSERT_EQ(bind(nobody.get(), any.get(), any.size_bytes()), 0);
        host_.register_tcp_port(rpc::PeerAddress::of_socket(nobody.get()).port());
        EXPECT_EQ(lock(1), NLM4_GRANTED);
        EXPECT_EQ(lock(2), NLM4_BLOCKED);
        EXPECT_EQ(unlock(1), NLM4_GRANTED);
        EXPECT_TRUE(host_.was_asked_for_tcp(2)) << "nobody listened where it sent us first";
    }
    host_.register_for_tcp_only();
    EXPECT_EQ(host_.next(), "granted 2");
}

// A datagram socket to which the client's portmapper sends us, and what comes to it.
class SilentPort {
 public:
    SilentPort() {
        const auto any = *rpc::PeerAddress::parse("127.0.0.1", 0);
        check(bind(socket_.get(), any.get(), any.size_bytes()) == 0, "bind");
    }
    uint16_t port() const { return rpc::PeerAddress::of_socket(socket_.get()).port(); }
    // The number of the next call that comes, whose sender is remembered. Waits for it.
    uint32_t next_xid() {
        std::array<uint32_t, 256> call{};
        sender_bytes_ = sizeof sender_;
        recvfrom(socket_.get(), call.data(), sizeof call, 0, reinterpret_cast<sockaddr*>(&sender_), &sender_bytes_);
        return call[0];
    }
    // An answer to the call of that number: no cookie, and the status.
    void answer(uint32_t xid, nlm4_stats status) {
        rpc::test::Bytes reply = rpc::test::words({0, 1, 0, 0, 0, 0, 0, static_cast<uint32_t>(status)});
        std::memcpy(reply.data(), &xid, sizeof xid);
        sendto(socket_.get(), reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&sender_), sender_bytes_);
    }

 private:
    rpc::FileDescriptor socket_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    sockaddr_storage sender_{};
    socklen_t sender_bytes_ = 0;
};

TEST_F(ClientHostTest, AClientThatAnswersNoDatagramsIsToldOverTcp) {
    callback_limit_ms_ = 30'000;
    start();
    SilentPort wall;
    host_.register_ports(wall.port(), true);
    EXPECT_EQ(lock(1), NLM4_GRANTED);
    EXPECT_EQ(lock(2), NLM4_BLOCKED);
    EXPECT_EQ(unlock(1), NLM4_GRANTED);
    const uint32_t xid = wall.next_xid();
    EXPECT_EQ(wall.next_xid(), xid) << "it is sent again";
    EXPECT_EQ(host_.next(), "granted 2");
    EXPECT_EQ(lock(1, false), NLM4_DENIED);
}

TEST_F(ClientHostTest, AnAnswerToADatagramCountsAlsoWhenItComesLate) {
    callback_limit_ms_ = 30'000;
    start();
    SilentPort slow;
    host_.register_ports(slow.port(), false);
    EXPECT_EQ(lock(1), NLM4_GRANTED);
    EXPECT_EQ(lock(2), NLM4_BLOCKED);
    EXPECT_EQ(lock(3), NLM4_BLOCKED);
    EXPECT_EQ(unlock(1), NLM4_GRANTED);
    const uint32_t xid = slow.next_xid();
    ASSERT_TRUE(host_.was_asked_for_tcp(1)) << "where it does not serve";
    slow.answer(xid, NLM4_DENIED);
    // The second one's turn comes at once, not when there is no more time for the first.
    uint32_t next = xid;
    for (int calls = 0; calls < 3 && next == xid; ++calls) next = slow.next_xid();
    slow.answer(next, NLM4_GRANTED);
    for (int tries = 0; tries < 1000 && manager_->outgoing->calls_count() != 0; ++tries)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(lock(3, false), NLM4_GRANTED) << "it holds the lock";
}

// Its portmapper answers nothing useful, so the call would be tried for its time, and then void the grant.
TEST_F(ClientHostTest, AClientThatAsksAgainIsNotCalledAnyMore) {
    start();
    host_.unregister();
    EXPECT_EQ(lock(1), NLM4_GRANTED);
    EXPECT_EQ(lock(2), NLM4_BLOCKED);
    EXPECT_EQ(unlock(1), NLM4_GRANTED);
    EXPECT_TRUE(host_.was_asked_for_tcp(1));
    EXPECT_EQ(manager_->outgoing->calls_count(), 1u);
    EXPECT_EQ(lock(2), NLM4_GRANTED);
    for (int tries = 0; tries < 1000 && manager_->outgoing->calls_count() != 0; ++tries)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(manager_->outgoing->calls_count(), 0u);
    EXPECT_EQ(lock(1, false), NLM4_DENIED) << "it holds the lock";
}

TEST_F(ClientHostTest, AGrantThatTheClientRefusesGoesToTheNext) {
    start();
    host_.answer_with(NLM4_DENIED);
    EXPECT_EQ(lock(1), NLM4_GRANTED);
    EXPECT_EQ(lock(2), NLM4_BLOCKED);
    EXPECT_EQ(lock(3), NLM4_BLOCKED);
    EXPECT_EQ(unlock(1), NLM4_GRANTED);
    EXPECT_EQ(host_.next(), "granted 2");
    EXPECT_EQ(host_.next(), "granted 3");
}

TEST_F(ClientHostTest, AGrantWhoseClientCanNotBeReachedGoesToTheNext) {
    start();
    host_.unregister();
    EXPECT_EQ(lock(1), NLM4_GRANTED);
    EXPECT_EQ(lock(2), NLM4_BLOCKED);
    EXPECT_EQ(unlock(1), NLM4_GRANTED);
    EXPECT_EQ(lock(1, false), NLM4_DENIED) << "it is tried for a while";
    for (int tries = 0; tries < 1000 && manager_->table.count() != 0; ++tries)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(lock(1, false), NLM4_GRANTED);
}

TEST_F(ClientHostTest, AMessageIsAnsweredByACall) {
    start();
    nlm4_lockargs args{};
    args.exclusive = TRUE;
    for (const int32_t svid : {1, 2}) {
        args.alock = alock(svid);
        call({NLM_PROGRAM, 4, NLMPROC4_LOCK_MSG}, xdr_nlm4_lockargs, args, rpc::xdr_no_value);
        EXPECT_EQ(host_.next(), "lock_res " + std::to_string(svid == 1 ? NLM4_GRANTED : NLM4_DENIED));
    }
}

TEST(WarningLimitTest, OfEachClientThereIsOneWarningAMinute) {
    WarningLimit limit;
    const int64_t minute = WarningLimit::period_ns;
    EXPECT_EQ(limit.admit("a", 0), 0u);
    EXPECT_EQ(limit.admit("a", 1), std::nullopt);
    EXPECT_EQ(limit.admit("b", 1), 0u);
    EXPECT_EQ(limit.admit("a", minute - 1), std::nullopt);
    EXPECT_EQ(limit.admit("a", minute), 2u);
    EXPECT_EQ(limit.admit("a", minute + 1), std::nullopt);
    EXPECT_EQ(limit.admit("a", 3 * minute), 1u);
}

TEST(WarningLimitTest, ItRemembersABoundedNumberOfClients) {
    WarningLimit limit;
    for (size_t number = 0; number < WarningLimit::max_clients; ++number)
        EXPECT_EQ(limit.admit(std::to_string(number), 0), 0u);
    EXPECT_EQ(limit.admit("one more", 1), std::nullopt);
    EXPECT_EQ(limit.admit("one more", WarningLimit::period_ns), 0u);
}

}  // namespace
}  // namespace lockstep::server::nlm
