// The status monitor's program, NSM version 1: clients that restarted say so here. Nlm layer.
#pragma once

#include "nfs_server/nlm/lock_manager.hpp"
#include "nfs_server/rpc/program.hpp"

namespace lockstep::server::nlm {

// STAT and NOTIFY; MON, UNMON, UNMON_ALL and SIMU_CRASH are for lock managers of this host, of which there is only our
// own: they are answered and change nothing. The manager must outlive the program.
rpc::Program nsm_program(LockManager& manager);

}  // namespace lockstep::server::nlm
