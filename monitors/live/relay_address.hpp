// Where a relay listens for viewers.
#pragma once

#include <chrono>
#include <string>

namespace lockstep::monitors {

// `viewer_url`: "net://HOST:PORT", an IPv6 address in brackets. A connected socket, the caller's to close; sending on
// it waits no longer than `limit`, as connecting did. -1: it makes no sense, the host is unknown, or nobody answers.
int connect_to_relay(const std::string& viewer_url, std::chrono::milliseconds limit);

}  // namespace lockstep::monitors
