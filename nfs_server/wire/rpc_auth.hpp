// AUTH_SYS credentials in C++: what rpcgen made of rpc_auth.x, in a namespace, since protocols use names such as `name`
// and `groups`. Wire layer.
#pragma once

#include <rpc/rpc.h>

namespace lockstep::server::wire {
#include "nfs_server/wire/generated/rpc_auth.h"
}  // namespace lockstep::server::wire
