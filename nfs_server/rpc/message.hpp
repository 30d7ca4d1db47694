// RPC messages (RFC 5531 section 9): the head of a call, the head of a reply. Rpc layer.
#pragma once

#include <cstdint>
#include <variant>

#include "nfs_server/base/result.hpp"
#include "nfs_server/rpc/credentials.hpp"
#include "nfs_server/wire/xdr_decoder.hpp"
#include "nfs_server/wire/xdr_encoder.hpp"

namespace lockstep::server::rpc {

constexpr uint32_t rpc_version = 2;

// The numbers of RFC 5531, in our spelling: libtirpc's enumerations of these names differ between its versions.
enum class AcceptStatus : uint32_t {
    success = 0,
    prog_unavail = 1,
    prog_mismatch = 2,
    proc_unavail = 3,
    garbage_args = 4,
    system_err = 5,
};
enum class RejectStatus : uint32_t { rpc_mismatch = 0, auth_error = 1 };
enum class AuthStatus : uint32_t {
    ok = 0,
    bad_cred = 1,
    rejected_cred = 2,
    bad_verf = 3,
    rejected_verf = 4,
    too_weak = 5
};

// The head of a call, up to where the procedure's arguments begin.
struct CallHead {
    uint32_t xid = 0;
    uint32_t program = 0;
    uint32_t version = 0;
    uint32_t procedure = 0;
    Credentials credentials;
};

// The call is answered with this and goes no further.
struct Denied {
    uint32_t xid;
    RejectStatus status;
    AuthStatus auth;  // with auth_error
};

// The bytes are no call at all, and no answer to them can be made: the connection is closed.
struct NotACall {};

// Reads a call's head; the decoder then stands at the arguments. Views of the result point into the record and the
// arena.
Result<CallHead, std::variant<NotACall, Denied>> decode_call_head(wire::XdrDecoder& decoder);

// The head of an accepted reply; results, or the range of prog_mismatch, follow it.
void encode_accepted(wire::XdrEncoder& encoder, uint32_t xid, AcceptStatus status);
// A whole denied reply.
void encode_denied(wire::XdrEncoder& encoder, const Denied& denied);

}  // namespace lockstep::server::rpc
