// The deliberate fault of the lock service: told on stderr, its strikes written down as the server's are (one JSON line
// each), so that a run knows whether and when it did what it is for.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "netns_harness/dlm/socket.hpp"
#include "netns_harness/workloads/random.hpp"

namespace lockstep::dlm {

class IncompatibleGrant {
 public:
    static constexpr const char* name = "incompatible_grant";
    static constexpr const char* summary = "the lock service grants a mode that is incompatible with what is held";

    // Strikes once in 16 times, by choices from `seed`. `log`: a file to append to, or empty. Throws SocketError when
    // it can't be opened.
    IncompatibleGrant(std::uint64_t seed, const std::string& log);

    // One thread.
    bool strikes();

 private:
    workloads::Random random_;
    Fd log_;
};

}  // namespace lockstep::dlm
