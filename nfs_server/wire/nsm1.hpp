// NSM version 1 in C++: what rpcgen made of nsm1.x, in a namespace, since protocols use names such as `name` and
// `groups`. Wire layer.
#pragma once

#include <rpc/rpc.h>

namespace lockstep::server::wire {
#include "nfs_server/wire/generated/nsm1.h"
}  // namespace lockstep::server::wire
