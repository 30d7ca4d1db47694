// NFS version 3 as an RPC program: the table of its 22 procedures. Layer: ops.
#pragma once

#include "nfs_server/ops/request.hpp"
#include "nfs_server/rpc/program.hpp"

namespace lockstep::server::ops {

/// `service` outlives the program.
rpc::Program make_nfs3_program(const Service& service);

}  // namespace lockstep::server::ops
