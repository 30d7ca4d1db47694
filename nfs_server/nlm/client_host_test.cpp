// The lock manager with hosts that it calls: grants, answers to messages, restarts. Over UDP and TCP on the loopback.
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "nfs_server/nlm/lock_report.hpp"
#include "nfs_server/nlm/nlm_program.hpp"
#include "nfs_server/nlm/nsm_program.hpp"
#include "nfs_server/nlm/wire_message.hpp"
#include "nfs_server/rpc/tcp_server.hpp"
#include "nfs_server/rpc/test_client.hpp"
#include "nfs_server/rpc/udp_server.hpp"
#include "nfs_server/wire/nlm4.hpp"
#include "nfs_server/wire/nsm1.hpp"

namespace lockstep::server::nlm {
namespace {

using namespace wire;
using rpc::CallContext;
using rpc::NoValue;

class OneFile final : public FileResolver {
 public:
    fs::Outcome<fs::FileIdentity> resolve(std::span<const std::byte>, const CallContext&, LockMode) override {
        return fs::FileIdentity{7, 1};
    }
    fs::Outcome<fs::FileIdentity> decode(std::span<const std::byte>) override { return fs::FileIdentity{7, 1}; }
};

class TextInMemory final : public StableText {
 public:
    Result<std::string, std::string> read() override { return text; }
    Result<void, std::string> write(const std::string& written) override {
        if (is_broken) return fail(std::string("broken"));
        text = written;
        return {};
    }
    std::string text;
    bool is_broken = false;
};

struct GetPort {
    uint32_t program, version, protocol, port;
};
bool_t xdr_get_port(XDR* xdrs, GetPort* value) {
    return xdr_u_int(xdrs, &value->program) && xdr_u_int(xdrs, &value->version) && xdr_u_int(xdrs, &value->protocol) &&
           xdr_u_int(xdrs, &value->port);
}

constexpr uint32_t watcher_program = 0x20000001;

// What a client's host serves: a portmapper, a lock manager, a status monitor, and a program that watches other hosts.
// Notes what it is told.
class ClientHost {
 public:
    ClientHost() {
        rpc::Program portmapper(100000, 2, "portmapper");
        portmapper.add(3, "GETPORT", xdr_get_port, xdr_u_int,
                       [this](const CallContext&, const GetPort& asked, u_int& port) {
                           const std::lock_guard hold(mutex_);
                           port = asked.protocol == IPPROTO_TCP ? registered_tcp_ : registered_udp_;
                           if (asked.protocol == IPPROTO_TCP) ++tcp_questions_;
                           told_.notify_all();
                       });
        programs_.add(std::move(portmapper));
        rpc::Program locks(NLM_PROGRAM, NLM4_VERS, "NLM");
        locks.add(NLMPROC4_GRANTED, "GRANTED", xdr_nlm4_testargs, xdr_nlm4_res,
                  [this](const CallContext&, const nlm4_testargs& args, nlm4_res& res) {
                      note("granted " + std::to_string(args.alock.svid));
                      const std::lock_guard hold(mutex_);
                      res.cookie = args.cookie;
                      res.stat.stat = answer_;
                  });
        locks.add(NLMPROC4_LOCK_RES, "LOCK_RES", xdr_nlm4_res, rpc::xdr_no_value,
                  [this](const CallContext&, const nlm4_res& res, NoValue&) {
                      note("lock_res " + std::to_string(res.stat.stat));
                  });
        programs_.add(std::move(locks));
        rpc::Program monitor(SM_PROG, SM_VERS, "NSM");
        monitor.add(SM_NOTIFY, "NOTIFY", xdr_stat_chge, rpc::xdr_no_value,
                    [this](const CallContext&, const stat_chge& change, NoValue&) {
                        note("notify " + std::to_string(change.state));
                    });
        programs_.add(std::move(monitor));
        rpc::Program watcher(watcher_program, 1, "watcher");
        watcher.add(5, "RESTARTED", xdr_sm_status, rpc::xdr_no_value,
                    [this](const CallContext&, const sm_status& status, NoValue&) {
                        note(std::string(status.mon_name) + " is in state " + std::to_string(status.state) + ", " +
                             status.priv);
                    });
        programs_.add(std::move(watcher));
        port_ = server_.listen(*rpc::PeerAddress::parse("127.0.0.1", 0), programs_)->port();
        server_.start(1);
        registered_udp_ = port_;
        tcp_port_ = tcp_server_.listen(*rpc::PeerAddress::parse("127.0.0.1", 0), programs_)->port();
        tcp_server_.start(1);
    }

    uint16_t port() const { return port_; }
    void answer_with(nlm4_stats answer) {
        const std::lock_guard hold(mutex_);
        answer_ = answer;
    }
    void unregister() {
        const std::lock_guard hold(mutex_);
        registered_udp_ = 0;
    }
    // Its services are to be found over TCP only.
    void register_for_tcp_only() {
        const std::lock_guard hold(mutex_);
        registered_udp_ = 0;
        registered_tcp_ = tcp_port_;
    }
    // Where its portmapper sends callers.
    void register_ports(uint16_t udp_port, bool serves_tcp) {
        const std::lock_guard hold(mutex_);
        registered_udp_ = udp_port;
        registered_tcp_ = serves_tcp ? tcp_port_ : 0;
    }
    // Its portmapper was asked so often for the port of TCP. False: not within ten seconds.
    bool was_asked_for_tcp(unsigned times) {
        std::unique_lock hold(mutex_);
        return told_.wait_for(hold, std::chrono::seconds(10), [&] { return tcp_questions_ >= times; });
    }
    void register_tcp_port(uint16_t port) {
        const std::lock_guard hold(mutex_);
        registered_udp_ = 0;
        registered_tcp_ = port;
    }
    // The next thing that it was told; "" after ten seconds without any.
    std::string next() {
        std::unique_lock hold(mutex_);
        if (!told_.wait_for(hold, std::chrono::seconds(10), [&] { return !notes_.empty(); })) return "";
        const std::string note = notes_.front();
        notes_.pop_front();
        return note;
    }

 private:
    void note(std::string what) {
        const std::lock_guard hold(mutex_);
        notes_.push_back(std::move(what));
        told_.notify_all();
    }
    std::mutex mutex_;
    std::condition_variable told_;
    std::deque<std::string> notes_;
    nlm4_stats answer_ = NLM4_GRANTED;
    unsigned tcp_questions_ = 0;
    uint16_t registered_udp_ = 0;
    uint16_t registered_tcp_ = 0;
    uint16_t port_ = 0;
    uint16_t tcp_port_ = 0;
    rpc::ProgramSet programs_;
    rpc::UdpServer server_;
    rpc::TcpServer tcp_server_;
};

class ClientHostTest : public testing::Test {
 protected:
    LockManagerOptions options() {
        return {.grace_period_ms = 1000,
                .callback_limit_ms = callback_limit_ms_,
                .portmapper_port = host_.port(),
                .boot_id = boot_id_};
    }
    void start() {
        manager_ = std::make_unique<LockManager>(files_, options(), clock_);
        manager_->enable_callbacks();
        ASSERT_TRUE(manager_->enable_monitoring(storage_));
        programs_ = std::make_unique<rpc::ProgramSet>();
        programs_->add(nlm_program(*manager_));
        programs_->add(nsm_program(*manager_));
    }
    // Runs one procedure as a call from `address` would.
    template <class Args, class Res>
    Res call(rpc::test::Target target, bool_t (*xdr_args)(XDR*, Args*), Args args, bool_t (*xdr_res)(XDR*, Res*),
             const char* address = "127.0.0.1") {
        const rpc::Dispatcher dispatcher(*programs_);
        const auto peer = *rpc::PeerAddress::parse(address, 700);
        auto message = rpc::test::call_message(1, target, xdr_args, args);
        Arena arena;
        std::vector<iovec> pieces;
        dispatcher.answer(message, {.connection_id = 1, .peer = peer}, arena, pieces);
        auto reply = rpc::test::parse_reply(rpc::test::gathered(pieces));
        if (!reply || reply->status != 0) {
            ADD_FAILURE() << "the call failed";
            return {};
        }
        return reply->decode(xdr_res, results_).value_or(Res{});
    }
    static nlm4_lock alock(int32_t svid) {
        static std::string caller = "host";
        static std::string bytes = "handle";
        const nlm_netobj object{static_cast<u_int>(bytes.size()), bytes.data()};
        return {.caller_name = caller.data(), .fh = object, .oh = object, .svid = svid, .l_offset = 0, .l_len = 0};
    }
    nlm4_stats lock(int32_t svid, bool block = true, bool reclaim = false, int32_t state = 0,
                    const char* address = "127.0.0.1") {
        nlm4_lockargs args{};
        args.block = block;
        args.exclusive = TRUE;
        args.alock = alock(svid);
        args.reclaim = reclaim;
        args.state = state;
        return call({NLM_PROGRAM, 4, NLMPROC4_LOCK}, xdr_nlm4_lockargs, args, xdr_nlm4_res, address).stat.stat;
    }
    nlm4_stats unlock(int32_t svid) {
        nlm4_unlockargs args{};
        args.alock = alock(svid);
        return call({NLM_PROGRAM, 4, NLMPROC4_UNLOCK}, xdr_nlm4_unlockargs, args, xdr_nlm4_res).stat.stat;
    }
    void notify(int32_t state, const char* address = "127.0.0.1") {
        std::string name = "host.example.org";
        stat_chge change{.mon_name = name.data(), .state = state};
        call({SM_PROG, 1, SM_NOTIFY}, xdr_stat_chge, change, rpc::xdr_no_value, address);
    }

    int64_t callback_limit_ms_ = 1500;
    std::string boot_id_ = "first";
    // A program on `from` asks to be told when the host restarts.
    sm_stat_res watch(const char* host, const char* from = "127.0.0.1") {
        const mon args{{const_cast<char*>(host), my_id_}, "cookie"};
        return call({SM_PROG, 1, SM_MON}, xdr_mon, args, xdr_sm_stat_res, from);
    }
    void unwatch(const char* host) {
        call({SM_PROG, 1, SM_UNMON}, xdr_mon_id, mon_id{const_cast<char*>(host), my_id_}, xdr_sm_stat);
    }

    char me_[10] = "localhost";
    my_id my_id_{me_, static_cast<int>(watcher_program), 1, 5};
    OneFile files_;
    TextInMemory storage_;
    ManualClock clock_;
    ClientHost host_;
    std::unique_ptr<LockManager> manager_;
    std::unique_ptr<rpc::ProgramSet> programs_;
    Arena results_;
};

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

TEST_F(ClientHostTest, AClientIsRememberedBeforeItsFirstLock) {
    start();
    storage_.is_broken = true;
    EXPECT_EQ(lock(1), NLM4_DENIED_NOLOCKS);
    storage_.is_broken = false;
    EXPECT_EQ(lock(1), NLM4_GRANTED);
    EXPECT_NE(storage_.text.find("client 127.0.0.1 4 host"), std::string::npos) << storage_.text;
}

TEST_F(ClientHostTest, ARestartedServerTellsItsClientsAndGrantsReclaimsOnly) {
    start();
    EXPECT_EQ(lock(1), NLM4_GRANTED);
    start();
    EXPECT_EQ(host_.next(), "notify 3");
    EXPECT_EQ(lock(2), NLM4_DENIED_GRACE_PERIOD);
    EXPECT_EQ(lock(1, false, true), NLM4_GRANTED);
    EXPECT_EQ(lock(2, false, true, 0, "192.0.2.66"), NLM4_DENIED) << "another host of that name";
    clock_.advance(1'000'000'000);
    EXPECT_EQ(lock(2), NLM4_BLOCKED);
    EXPECT_EQ(lock(3, false, true), NLM4_DENIED_GRACE_PERIOD) << "too late to reclaim";
}

TEST_F(ClientHostTest, WithoutClientsThereIsNoGracePeriod) {
    start();
    EXPECT_EQ(lock(1), NLM4_GRANTED);
}

TEST_F(ClientHostTest, ARestartedClientLosesItsLocksAndNobodyElseDoes) {
    start();
    EXPECT_EQ(lock(1, false, false, 3), NLM4_GRANTED);
    notify(5, "192.0.2.66");
    EXPECT_EQ(manager_->table.count(), 1u) << "another host can't say it";
    notify(3);
    EXPECT_EQ(manager_->table.count(), 1u) << "this state is known";
    notify(5);
    EXPECT_EQ(manager_->table.count(), 0u);
    EXPECT_EQ(lock(2, false, false, 5), NLM4_GRANTED);
    notify(5);
    EXPECT_EQ(manager_->table.count(), 1u) << "a late copy takes no new locks";
}

TEST_F(ClientHostTest, ALockOfANewStateEndsThoseOfTheOld) {
    start();
    EXPECT_EQ(lock(1, false, false, 3), NLM4_GRANTED);
    EXPECT_EQ(lock(2, false, false, 5, "192.0.2.66"), NLM4_DENIED) << "from another host the state means nothing";
    EXPECT_EQ(lock(2, false, false, 5), NLM4_GRANTED);
    notify(5);
    EXPECT_EQ(manager_->table.count(), 1u);
}

TEST_F(ClientHostTest, OfTwoClientsOfOneNameTheOperatorSaysWhich) {
    start();
    EXPECT_EQ(lock(1, false), NLM4_GRANTED);
    EXPECT_EQ(lock(2, true, false, 0, "192.0.2.66"), NLM4_BLOCKED);
    EXPECT_TRUE(fence_client(*manager_, "host").contains("error"));
    EXPECT_TRUE(fence_client(*manager_, "host", "192.0.2.67").contains("error"));
    EXPECT_EQ(fence_client(*manager_, "host", "192.0.2.66").at("locks_released"), 0);
    EXPECT_EQ(manager_->table.waits_count(), 0u);
    EXPECT_EQ(fence_client(*manager_, "host").at("locks_released"), 1) << "there is but one now";
}

TEST_F(ClientHostTest, AnAddressThatMakesUpNamesDoesNotFillTheList) {
    start();
    const auto monitored = [&](const std::string& name, const char* address) {
        return manager_->monitored->add({name, address}).has_value();
    };
    std::vector<std::shared_ptr<const LockOwner>> in_use;
    for (size_t number = 0; number < MonitoredClients::max_clients_per_address; ++number) {
        const std::string name = std::to_string(number);
        in_use.push_back(manager_->owners.find_or_add(name, "oh", 1, "192.0.2.66"));
        ASSERT_TRUE(monitored(name, "192.0.2.66")) << number;
    }
    EXPECT_FALSE(monitored("one more", "192.0.2.66"));
    EXPECT_TRUE(monitored("one more", "192.0.2.67"));
    in_use.pop_back();
    EXPECT_TRUE(monitored("one more", "192.0.2.66")) << "one without locks gives way";
}

TEST_F(ClientHostTest, WhoWatchesAHostIsToldOfItsRestart) {
    start();
    EXPECT_EQ(watch("192.0.2.66", "192.0.2.7").res_stat, STAT_FAIL) << "only programs on this host are served";
    const auto watched = watch("192.0.2.66");
    EXPECT_EQ(watched.res_stat, STAT_SUCC);
    EXPECT_EQ(watched.state, 1);
    EXPECT_EQ(watch("no such host at all").res_stat, STAT_FAIL);
    EXPECT_EQ(watch("192.0.2.67").res_stat, STAT_SUCC);
    notify(8, "192.0.2.65");
    notify(9, "192.0.2.66");
    EXPECT_EQ(host_.next(), "192.0.2.66 is in state 9, cookie") << "and nothing of whom nobody watches";
    unwatch("192.0.2.66");
    notify(11, "192.0.2.66");
    notify(13, "192.0.2.67");
    EXPECT_EQ(host_.next(), "192.0.2.67 is in state 13, cookie");
    start();
    notify(15, "192.0.2.67");
    EXPECT_EQ(host_.next(), "192.0.2.67 is in state 15, cookie") << "what is watched outlives the server";
    call({SM_PROG, 1, SM_UNMON_ALL}, xdr_my_id, my_id_, xdr_sm_stat);
    EXPECT_EQ(storage_.text.find("watch"), std::string::npos) << storage_.text;
}

TEST_F(ClientHostTest, HostsThatAreWatchedHearOfABootAndOfNoLesserRestart) {
    start();
    EXPECT_EQ(watch("127.0.0.1").res_stat, STAT_SUCC);
    start();
    boot_id_ = "second";
    start();
    EXPECT_EQ(host_.next(), "notify 3") << "once: the host's second state";
    for (int tries = 0; tries < 1000 && storage_.text.find("owed") != std::string::npos; ++tries)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(storage_.text.find("owed"), std::string::npos) << storage_.text;
    EXPECT_EQ(storage_.text.find("watch"), std::string::npos) << "whoever watched is gone, too";
    EXPECT_EQ(watch("127.0.0.1").state, 3);
    call({SM_PROG, 1, SM_SIMU_CRASH}, rpc::xdr_no_value, NoValue{}, rpc::xdr_no_value);
    EXPECT_EQ(host_.next(), "notify 5");
}

TEST_F(ClientHostTest, AHostThatCouldNotBeToldOfABootIsToldAfterTheNextStart) {
    start();
    EXPECT_EQ(watch("127.0.0.1").res_stat, STAT_SUCC);
    host_.unregister();
    boot_id_ = "second";
    start();
    EXPECT_TRUE(host_.was_asked_for_tcp(1));
    host_.register_ports(host_.port(), false);
    start();
    EXPECT_EQ(host_.next(), "notify 3");
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

TEST(MonitorRecordTest, WhatIsStoredComesBackWhateverTheNames) {
    const MonitorRecord record{.state = 7,
                               .clients = {{"a\nclient b", "192.0.2.1"}, {"", "2001:db8::1"}, {" ", "192.0.2.2"}}};
    const auto read = MonitorRecord::from_text(record.to_text());
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->state, 7u);
    EXPECT_EQ(read->clients, record.clients);
    const std::string text = record.to_text();
    for (size_t size = 0; size < text.size(); ++size) {
        const auto part = MonitorRecord::from_text(std::string_view(text).substr(0, size));
        EXPECT_TRUE(!part || part->clients.size() < 3) << size;
    }
}

}  // namespace
}  // namespace lockstep::server::nlm
