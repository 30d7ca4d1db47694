// Broken invariants stop the process with a message, in release builds too. Base layer.
// A check is for what only a bug of ours can break; what a client or a disk can cause is a Result.
#pragma once

#include <source_location>
#include <string_view>

namespace lockstep::server {

// Writes "FILE:LINE: FUNCTION: message" to stderr and aborts (leaving a core, so that the state can be read). Any
// thread.
[[noreturn]] void panic(std::string_view message, std::source_location where = std::source_location::current());

// Panics with `message` unless `holds`.
inline void check(bool holds, std::string_view message, std::source_location where = std::source_location::current()) {
    if (!holds) [[unlikely]]
        panic(message, where);
}

}  // namespace lockstep::server
