// Every procedure of the lock manager over TCP and over UDP: the calls that are answered, and the messages that are
// answered by a call.
#include "nfs_server/nlm/test_client_host.hpp"
#include "nfs_server/rpc/test_connection.hpp"

namespace lockstep::server::nlm {
namespace {

using namespace test;
using rpc::test::Connection;
using rpc::test::Transport;

class Procedures : public ClientHostTest, public testing::WithParamInterface<Transport> {
 protected:
    void SetUp() override {
        start();
        const auto bound = *tcp_.listen(*rpc::PeerAddress::parse("127.0.0.1", 0), *programs_);
        ASSERT_TRUE(udp_.listen(bound, *programs_));
        tcp_.start(1);
        udp_.start(1);
        connection_ = std::make_unique<Connection>(GetParam(), bound.port());
    }

    template <class Args, class Res>
    Res ask(uint32_t procedure, bool_t (*xdr_args)(XDR*, Args*), Args args, bool_t (*xdr_res)(XDR*, Res*)) {
        auto reply = rpc::test::parse_reply(
            connection_->exchange(rpc::test::call_message(++xid_, {NLM_PROGRAM, 4, procedure}, xdr_args, args)));
        const auto res = reply && reply->xid == xid_ ? reply->decode(xdr_res, results_) : std::nullopt;
        EXPECT_TRUE(res) << "procedure " << procedure;
        return res.value_or(Res{});
    }
    // What the procedure answers; and its message, of which the answer is the host's next note.
    template <class Args>
    nlm4_stats status(uint32_t procedure, bool_t (*xdr_args)(XDR*, Args*), const Args& args) {
        return ask(procedure, xdr_args, args, xdr_nlm4_res).stat.stat;
    }
    template <class Args>
    std::string message(uint32_t procedure, bool_t (*xdr_args)(XDR*, Args*), const Args& args) {
        ask(procedure, xdr_args, args, rpc::xdr_no_value);
        return host_.next();
    }

    static nlm4_testargs test_args(int32_t svid) { return {{}, TRUE, alock(svid)}; }
    static nlm4_lockargs lock_args(int32_t svid, bool block) { return {{}, block, TRUE, alock(svid), FALSE, 0}; }
    static nlm4_cancargs cancel_args(int32_t svid) { return {{}, TRUE, TRUE, alock(svid)}; }
    static nlm4_unlockargs unlock_args(int32_t svid) { return {{}, alock(svid)}; }
    static nlm4_shareargs share_args() {
        const nlm4_lock names = alock(1);
        return {{}, {names.caller_name, names.fh, names.oh, fsm_DW, fsa_R}, FALSE};
    }
    static std::string said(const char* what, nlm4_stats status) { return what + (" " + std::to_string(status)); }

 private:
    rpc::TcpServer tcp_;
    rpc::UdpServer udp_;
    std::unique_ptr<Connection> connection_;
    uint32_t xid_ = 0;
};

TEST_P(Procedures, CallsAreAnswered) {
    ask(NLMPROC4_NULL, rpc::xdr_no_value, NoValue{}, rpc::xdr_no_value);
    EXPECT_EQ(status(NLMPROC4_LOCK, xdr_nlm4_lockargs, lock_args(1, false)), NLM4_GRANTED);
    EXPECT_EQ(ask(NLMPROC4_TEST, xdr_nlm4_testargs, test_args(2), xdr_nlm4_testres).stat.stat, NLM4_DENIED);
    EXPECT_EQ(status(NLMPROC4_NM_LOCK, xdr_nlm4_lockargs, lock_args(2, false)), NLM4_DENIED);
    EXPECT_EQ(status(NLMPROC4_LOCK, xdr_nlm4_lockargs, lock_args(2, true)), NLM4_BLOCKED);
    EXPECT_EQ(status(NLMPROC4_CANCEL, xdr_nlm4_cancargs, cancel_args(2)), NLM4_GRANTED);
    EXPECT_EQ(status(NLMPROC4_LOCK, xdr_nlm4_lockargs, lock_args(3, true)), NLM4_BLOCKED);
    EXPECT_EQ(status(NLMPROC4_UNLOCK, xdr_nlm4_unlockargs, unlock_args(1)), NLM4_GRANTED);
    EXPECT_EQ(host_.next(), "granted 3");
    EXPECT_EQ(status(NLMPROC4_GRANTED, xdr_nlm4_testargs, test_args(1)), NLM4_DENIED);
    EXPECT_EQ(ask(NLMPROC4_SHARE, xdr_nlm4_shareargs, share_args(), xdr_nlm4_shareres).stat, NLM4_GRANTED);
    EXPECT_EQ(manager_->shares.count(), 1u);
    EXPECT_EQ(ask(NLMPROC4_UNSHARE, xdr_nlm4_shareargs, share_args(), xdr_nlm4_shareres).stat, NLM4_GRANTED);
    EXPECT_EQ(manager_->shares.count(), 0u);
    EXPECT_EQ(manager_->table.count(), 1u);
    std::string name = "host";
    ask(NLMPROC4_FREE_ALL, xdr_nlm4_notify, nlm4_notify{name.data(), 1}, rpc::xdr_no_value);
    EXPECT_EQ(manager_->table.count(), 0u);
    EXPECT_EQ(status(NLMPROC4_NM_LOCK, xdr_nlm4_lockargs, lock_args(1, false)), NLM4_GRANTED);
    ask(NLMPROC4_SM_NOTIFY, xdr_nlm4_sm_notify, nlm4_sm_notify{name.data(), 5, {}}, rpc::xdr_no_value);
    EXPECT_EQ(manager_->table.count(), 0u);
}

TEST_P(Procedures, MessagesAreAnsweredByCalls) {
    EXPECT_EQ(message(NLMPROC4_LOCK_MSG, xdr_nlm4_lockargs, lock_args(1, false)), said("lock_res", NLM4_GRANTED));
    EXPECT_EQ(message(NLMPROC4_LOCK_MSG, xdr_nlm4_lockargs, lock_args(2, true)), said("lock_res", NLM4_BLOCKED));
    EXPECT_EQ(message(NLMPROC4_TEST_MSG, xdr_nlm4_testargs, test_args(3)), said("test_res", NLM4_DENIED));
    EXPECT_EQ(message(NLMPROC4_CANCEL_MSG, xdr_nlm4_cancargs, cancel_args(2)), said("cancel_res", NLM4_GRANTED));
    EXPECT_EQ(message(NLMPROC4_UNLOCK_MSG, xdr_nlm4_unlockargs, unlock_args(1)), said("unlock_res", NLM4_GRANTED));
    EXPECT_EQ(message(NLMPROC4_GRANTED_MSG, xdr_nlm4_testargs, test_args(1)), said("granted_res", NLM4_DENIED));
    EXPECT_EQ(manager_->table.count(), 0u);
    EXPECT_EQ(manager_->table.waits_count(), 0u);
    // Answers to messages that this server does not send.
    const nlm4_res answer{{}, {NLM4_GRANTED}};
    for (const uint32_t procedure : {NLMPROC4_LOCK_RES, NLMPROC4_CANCEL_RES, NLMPROC4_UNLOCK_RES, NLMPROC4_GRANTED_RES})
        ask(procedure, xdr_nlm4_res, answer, rpc::xdr_no_value);
    ask(NLMPROC4_TEST_RES, xdr_nlm4_testres, nlm4_testres{}, rpc::xdr_no_value);
}

// Of a datagram that comes twice, and a call that is sent again because its reply was lost, only one has an effect.
TEST_P(Procedures, WhatIsSentAgainIsHarmless) {
    for (int sending = 0; sending < 2; ++sending)
        EXPECT_EQ(status(NLMPROC4_LOCK, xdr_nlm4_lockargs, lock_args(1, false)), NLM4_GRANTED);
    EXPECT_EQ(manager_->table.count(), 1u);
    for (int sending = 0; sending < 2; ++sending)
        EXPECT_EQ(status(NLMPROC4_LOCK, xdr_nlm4_lockargs, lock_args(2, true)), NLM4_BLOCKED);
    EXPECT_EQ(manager_->table.waits_count(), 1u);
    EXPECT_EQ(status(NLMPROC4_CANCEL, xdr_nlm4_cancargs, cancel_args(2)), NLM4_GRANTED);
    EXPECT_EQ(status(NLMPROC4_CANCEL, xdr_nlm4_cancargs, cancel_args(2)), NLM4_DENIED) << "there is none any more";
    for (int sending = 0; sending < 2; ++sending)
        EXPECT_EQ(status(NLMPROC4_UNLOCK, xdr_nlm4_unlockargs, unlock_args(1)), NLM4_GRANTED);
    EXPECT_EQ(manager_->table.count(), 0u);
}

// A network may keep a datagram for a while, and bring it when others have passed it.
TEST_F(ClientHostTest, ADatagramThatComesLateOnceMoreHasNoEffect) {
    start();
    rpc::UdpServer server;
    const auto bound = *server.listen(*rpc::PeerAddress::parse("127.0.0.1", 0), *programs_);
    server.start(2);
    Connection client({"Udp", "127.0.0.1", true}, bound.port());
    uint32_t xid = 0;
    const auto locking = [&] {
        const nlm4_lockargs args{{}, FALSE, TRUE, alock(1), FALSE, 0};
        return rpc::test::call_message(++xid, {NLM_PROGRAM, 4, NLMPROC4_LOCK}, xdr_nlm4_lockargs, args);
    };
    const auto unlocking = [&] {
        const nlm4_unlockargs args{{}, alock(1)};
        return rpc::test::call_message(++xid, {NLM_PROGRAM, 4, NLMPROC4_UNLOCK}, xdr_nlm4_unlockargs, args);
    };
    const auto first_lock = locking();
    const auto locked = client.exchange(first_lock);
    const auto first_unlock = unlocking();
    const auto unlocked = client.exchange(first_unlock);
    EXPECT_EQ(client.exchange(first_lock), locked) << "the first answer";
    EXPECT_EQ(manager_->table.count(), 0u) << "the lock of nobody";
    client.exchange(locking());
    EXPECT_EQ(client.exchange(first_unlock), unlocked);
    EXPECT_EQ(manager_->table.count(), 1u) << "the owner holds it";
    client.exchange(unlocking());
    EXPECT_EQ(manager_->table.count(), 0u);
}

INSTANTIATE_TEST_SUITE_P(All, Procedures,
                         testing::Values(Transport{"Tcp", "127.0.0.1", false}, Transport{"Udp", "127.0.0.1", true}),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace lockstep::server::nlm
