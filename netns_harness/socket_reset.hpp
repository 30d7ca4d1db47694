// Resets TCP connections: the kernel's own way (SOCK_DESTROY), both ends are told.
#pragma once

#include <vector>

#include "netns_harness/link_rules.hpp"

namespace lockstep::harness {

// Resets the TCP connections in the calling thread's network namespace whose other end is one of `peers`, all when it
// is empty, but none over the loopback. Returns how many. Throws Error, also when the kernel can't
// (CONFIG_INET_DIAG_DESTROY).
unsigned reset_connections(const std::vector<IpAddress>& peers);

}  // namespace lockstep::harness
