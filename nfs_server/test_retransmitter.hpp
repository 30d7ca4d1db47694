// For tests: a client that sends each call twice, as one does whose replies get lost, and uses handles of files that
// are gone.
#pragma once

#include <atomic>
#include <cstdint>

namespace lockstep::server::test {

// Makes, writes and removes files of the server at that port of 127.0.0.1 until `stopping` or the server is gone.
void retransmit(uint16_t port, const std::atomic<bool>& stopping);

}  // namespace lockstep::server::test
