// For tests: the lock manager, and a host that it calls: over UDP and TCP on the loopback.
#pragma once

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

namespace lockstep::server::nlm::test {

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
    Result<std::string, std::string> read() override { return text(); }
    Result<void, std::string> write(const std::string& written) override {
        const std::lock_guard hold(mutex_);
        if (is_broken_) return fail(std::string("broken"));
        text_ = written;
        return {};
    }
    std::string text() const {
        const std::lock_guard hold(mutex_);
        return text_;
    }
    bool has(const char* part) const { return text().find(part) != std::string::npos; }
    void break_down(bool is_broken) {
        const std::lock_guard hold(mutex_);
        is_broken_ = is_broken;
    }

 private:
    mutable std::mutex mutex_;
    std::string text_;
    bool is_broken_ = false;
};

struct GetPort {
    uint32_t program, version, protocol, port;
};
inline bool_t xdr_get_port(XDR* xdrs, GetPort* value) {
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
        const auto add_answer = [&](uint32_t procedure, const char* name) {
            locks.add(procedure, name, xdr_nlm4_res, rpc::xdr_no_value,
                      [this, name](const CallContext&, const nlm4_res& res, NoValue&) {
                          note(name + (" " + std::to_string(res.stat.stat)));
                      });
        };
        add_answer(NLMPROC4_LOCK_RES, "lock_res");
        add_answer(NLMPROC4_CANCEL_RES, "cancel_res");
        add_answer(NLMPROC4_UNLOCK_RES, "unlock_res");
        add_answer(NLMPROC4_GRANTED_RES, "granted_res");
        locks.add(NLMPROC4_TEST_RES, "test_res", xdr_nlm4_testres, rpc::xdr_no_value,
                  [this](const CallContext&, const nlm4_testres& res, NoValue&) {
                      note("test_res " + std::to_string(res.stat.stat));
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

}  // namespace lockstep::server::nlm::test
