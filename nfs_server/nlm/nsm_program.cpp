#include "nfs_server/nlm/nsm_program.hpp"

#include <cstring>

#include "nfs_server/nlm/client_restarts.hpp"
#include "nfs_server/nlm/wire_message.hpp"
#include "nfs_server/wire/nsm1.hpp"

namespace lockstep::server::nlm {
namespace {

using namespace wire;
using rpc::CallContext;
using rpc::NoValue;

constexpr int64_t watcher_limit_ms = 30'000;

// What other hosts say is for our clients and for the programs that watch them; what programs on this host ask is
// answered to them only.
class StatusMonitor {
 public:
    explicit StatusMonitor(LockManager& manager) : manager_(manager) {}

    // Whether the host can be watched: whether its name means an address.
    void stat(const CallContext& call, const sm_name& args, sm_stat_res& res) {
        answer(serves(call) && !manager_.options.address_of(args.mon_name).empty(), res);
    }

    void mon(const CallContext& call, const wire::mon& args, sm_stat_res& res) {
        if (!serves(call)) return answer(false, res);
        Watch watch = watch_of(args.mon_id.my_id, args.mon_id.mon_name);
        watch.host.address = manager_.options.address_of(watch.host.name);
        watch.cookie.assign(args.priv, sizeof args.priv);
        answer(!watch.host.address.empty() && manager_.monitored->watch(watch), res);
    }

    void unmon(const CallContext& call, const mon_id& args, sm_stat& res) {
        if (serves(call)) static_cast<void>(manager_.monitored->unwatch(watch_of(args.my_id, args.mon_name)));
        res.state = state();
    }

    void unmon_all(const CallContext& call, const my_id& args, sm_stat& res) {
        if (serves(call)) static_cast<void>(manager_.monitored->unwatch_all(watch_of(args, "")));
        res.state = state();
    }

    void simulate_crash(const CallContext& call, const NoValue&, NoValue&) {
        if (!serves(call)) return;
        if (const auto owed = manager_.monitored->simulate_crash()) manager_.notify_of_host(*owed);
    }

    void notify(const CallContext& call, const stat_chge& args, NoValue&) {
        client_restarted(manager_, call.request_id, args.mon_name, call.peer.address(), args.state);
        if (!manager_.monitored) return;
        for (const Watch& watch : manager_.monitored->watches_of({args.mon_name, call.peer.address()}))
            tell(watch, args.state);
    }

 private:
    bool serves(const CallContext& call) const { return manager_.monitored && call.peer.is_loopback(); }
    int state() const { return manager_.monitored ? static_cast<int>(manager_.monitored->host_state()) : 0; }
    void answer(bool is_done, sm_stat_res& res) const {
        res.res_stat = is_done ? STAT_SUCC : STAT_FAIL;
        res.state = state();
    }

    static Watch watch_of(const my_id& watcher, const char* host) {
        return {.host = {host, ""},
                .watcher = watcher.my_name,
                .program = static_cast<uint32_t>(watcher.my_prog),
                .version = static_cast<uint32_t>(watcher.my_vers),
                .procedure = static_cast<uint32_t>(watcher.my_proc)};
    }

    void tell(const Watch& watch, int state) {
        const auto here = rpc::PeerAddress::parse("127.0.0.1", 0);
        if (!manager_.outgoing || !here) return;
        sm_status status{.mon_name = const_cast<char*>(watch.host.name.c_str()), .state = state, .priv = {}};
        std::memcpy(status.priv, watch.cookie.data(), std::min(sizeof status.priv, watch.cookie.size()));
        manager_.outgoing->start({.host = *here,
                                  .program = watch.program,
                                  .version = watch.version,
                                  .procedure = watch.procedure,
                                  .args = encoded(xdr_sm_status, status),
                                  .give_up_after_ms = watcher_limit_ms});
    }

    LockManager& manager_;
};

}  // namespace

rpc::Program nsm_program(LockManager& manager) {
    const auto monitor = std::make_shared<StatusMonitor>(manager);
    const auto bind = [monitor](auto method) {
        return [monitor, method](const CallContext& call, const auto& args, auto& res) {
            ((*monitor).*method)(call, args, res);
        };
    };
    using M = StatusMonitor;
    const auto nothing = rpc::xdr_no_value;
    rpc::Program program(SM_PROG, SM_VERS, "NSM");
    program.add(SM_STAT, "STAT", xdr_sm_name, xdr_sm_stat_res, bind(&M::stat));
    program.add(SM_MON, "MON", xdr_mon, xdr_sm_stat_res, bind(&M::mon));
    program.add(SM_UNMON, "UNMON", xdr_mon_id, xdr_sm_stat, bind(&M::unmon));
    program.add(SM_UNMON_ALL, "UNMON_ALL", xdr_my_id, xdr_sm_stat, bind(&M::unmon_all));
    program.add(SM_SIMU_CRASH, "SIMU_CRASH", nothing, nothing, bind(&M::simulate_crash));
    program.add(SM_NOTIFY, "NOTIFY", xdr_stat_chge, nothing, bind(&M::notify));
    return program;
}

}  // namespace lockstep::server::nlm
