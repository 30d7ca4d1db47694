// MOUNT version 3 in C++: what rpcgen made of mount3.x, in a namespace, since protocols use names such as `name` and
// `groups`. Wire layer.
#pragma once

#include <rpc/rpc.h>

namespace lockstep::server::wire {
#include "nfs_server/wire/generated/mount3.h"
}  // namespace lockstep::server::wire
