// NLM version 4 in C++: what rpcgen made of nlm4.x, in a namespace, since protocols use names such as `name` and
// `groups`. Wire layer.
#pragma once

#include <rpc/rpc.h>

namespace lockstep::server::wire {
#include "nfs_server/wire/generated/nlm4.h"
}  // namespace lockstep::server::wire
