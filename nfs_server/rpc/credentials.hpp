// Who calls, as the call's credential says. Rpc layer.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace lockstep::server::rpc {

// The user and groups in whose name a call is made. AUTH_SYS (RFC 5531 appendix A) says them; with AUTH_NONE they are
// nobody's. Nothing proves them: an export decides whom it believes. Views point into the call's record and arena.
struct Credentials {
    static constexpr uint32_t nobody_id = 65534;

    bool is_auth_sys = false;
    uint32_t uid = nobody_id;
    uint32_t gid = nobody_id;
    std::span<const uint32_t> supplementary_gids;  // at most 16
    std::string_view machine_name;                 // at most 255 bytes; what the client calls itself
};

}  // namespace lockstep::server::rpc
