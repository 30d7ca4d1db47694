// The procedures of NLM version 4. Nlm layer.
#pragma once

#include "nfs_server/nlm/lock_manager.hpp"
#include "nfs_server/rpc/program.hpp"

namespace lockstep::server::nlm {

// All of them; README.md says what each answers. The manager must outlive the program.
rpc::Program nlm_program(LockManager& manager);

}  // namespace lockstep::server::nlm
