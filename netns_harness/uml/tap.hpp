// A guest's network device as the host sees it: a tap in the network namespace of whoever opens it.
#pragma once

#include <string>

#include "netns_harness/system.hpp"

namespace lockstep::uml {

// Makes a tap device, up, in the caller's network namespace. It is gone as soon as the descriptor and its copies are
// closed: no way of dying leaves one behind. `name`: at most 15 characters, not in use. Needs CAP_NET_ADMIN over the
// namespace, and /dev/net/tun. Throws harness::Error.
harness::Fd open_tap(const std::string& name);

// Makes the device a port of `bridge`, in the same namespace. Throws harness::Error.
void join_bridge(const std::string& name, const std::string& bridge);

// Throws away the packets that wait in the tap's queue, as a network card without power does. Never blocks.
void drain_tap(const harness::Fd& tap);

}  // namespace lockstep::uml
