#include "nfs_server/nlm/nsm_program.hpp"

#include "nfs_server/nlm/client_restarts.hpp"
#include "nfs_server/wire/nsm1.hpp"

namespace lockstep::server::nlm {

using namespace wire;
using rpc::CallContext;
using rpc::NoValue;

rpc::Program nsm_program(LockManager& manager) {
    const auto state = [&manager] { return manager.monitored ? static_cast<int>(manager.monitored->state()) : 0; };
    const auto refuse = [state](const CallContext&, const auto&, sm_stat_res& res) {
        res.res_stat = STAT_FAIL;
        res.state = state();
    };
    const auto tell_state = [state](const CallContext&, const auto&, sm_stat& res) { res.state = state(); };
    const auto notify = [&manager](const CallContext& call, const stat_chge& args, NoValue&) {
        client_restarted(manager, call.request_id, args.mon_name, call.peer.address(), args.state);
    };
    rpc::Program program(SM_PROG, SM_VERS, "NSM");
    program.add(SM_STAT, "STAT", xdr_sm_name, xdr_sm_stat_res, refuse);
    program.add(SM_MON, "MON", xdr_mon, xdr_sm_stat_res, refuse);
    program.add(SM_UNMON, "UNMON", xdr_mon_id, xdr_sm_stat, tell_state);
    program.add(SM_UNMON_ALL, "UNMON_ALL", xdr_my_id, xdr_sm_stat, tell_state);
    program.add(SM_SIMU_CRASH, "SIMU_CRASH", rpc::xdr_no_value, rpc::xdr_no_value,
                [](const CallContext&, const NoValue&, NoValue&) {});
    program.add(SM_NOTIFY, "NOTIFY", xdr_stat_chge, rpc::xdr_no_value, notify);
    return program;
}

}  // namespace lockstep::server::nlm
