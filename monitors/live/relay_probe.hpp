// A look at what a relay knows of a session, before libbabeltrace2 attaches to it. Version 2.0.4 of the library
// crashes, or gives up, when it attaches while the session's metadata is still on its way: it sizes a table by the half
// that it got.
//
// The viewer protocol: big-endian, packed. Request: size of the payload (8 bytes), command (4), 0 (4), payload.
//   connect 1 → create viewer session 8 → list sessions 2 → attach 3 → get metadata 6
// Source: LTTng-tools 2.13, doc/live-reading-protocol.txt.
#pragma once

#include <chrono>
#include <string>

namespace lockstep::monitors {

// The relay at `viewer_url` ("net://HOST:PORT") knows the session, and its metadata has the whole declaration of
// `event`
// ("provider:tracepoint"), hence everything before it. Attaches for the moment of the question. No exchange with the
// relay waits longer than `limit`; what can't be reached or understood is a no.
bool metadata_has_event(const std::string& viewer_url, const std::string& session, const std::string& event,
                        std::chrono::milliseconds limit);

}  // namespace lockstep::monitors
