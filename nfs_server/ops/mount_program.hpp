// MOUNT version 3: from a path to the first file handle. Layer: ops. Source: RFC 1813 appendix I.
#pragma once

#include <memory>
#include <string>

#include "nfs_server/ops/mount_table.hpp"
#include "nfs_server/ops/request.hpp"
#include "nfs_server/rpc/program.hpp"

namespace lockstep::server::ops {

/// What MOUNT works with. Directories below an exported one may be mounted, too.
struct MountService {
    const Service& service;
    const Exports& exports;
    MountTable table = MountTable();
};

/// `mounts` outlives the program.
rpc::Program make_mount_program(MountService& mounts);

}  // namespace lockstep::server::ops
