// The loopback device of a network namespace that belongs to Lockstep.
#pragma once

namespace lockstep::monitors {

// Sets lo up. Throws LttngError.
void bring_loopback_up();

// Makes every TCP connection over 127.0.0.1 in the calling thread's network namespace acknowledge at once. LTTng's
// relay sends many an answer in two writes without TCP_NODELAY, and each then waits some 40 ms for the reader's delayed
// acknowledgement. Needs CAP_NET_ADMIN there; only for namespaces of one's own. Throws LttngError. Source: tcp(7),
// TCP_QUICKACK; ip-route(8), "quickack".
void acknowledge_at_once_on_loopback();

}  // namespace lockstep::monitors
