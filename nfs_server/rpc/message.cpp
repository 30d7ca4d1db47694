#include "nfs_server/rpc/message.hpp"

#include "nfs_server/wire/rpc_auth.hpp"

namespace lockstep::server::rpc {
namespace {

enum MessageType : uint32_t { call_message = 0, reply_message = 1 };
enum ReplyStatus : uint32_t { message_accepted = 0, message_denied = 1 };
enum AuthFlavor : uint32_t { auth_none = 0, auth_sys = 1, auth_short = 2 };

constexpr uint32_t max_auth_body_bytes = 400;

// Fills the credentials from their body. What an AUTH_SHORT refers to was never given out: the client shall send it in
// full.
AuthStatus decode_credentials(uint32_t flavor, std::span<std::byte> body, Arena& arena, Credentials& credentials) {
    if (flavor == auth_none) return AuthStatus::ok;
    if (flavor == auth_short) return AuthStatus::rejected_cred;
    if (flavor != auth_sys) return AuthStatus::bad_cred;
    wire::XdrDecoder decoder(body, arena);
    wire::auth_sys_parms parms{};
    if (!decoder.decode(wire::xdr_auth_sys_parms, parms)) return AuthStatus::bad_cred;
    credentials = {.is_auth_sys = true,
                   .uid = parms.uid,
                   .gid = parms.gid,
                   .supplementary_gids = {parms.gids.gids_val, parms.gids.gids_len},
                   .machine_name = parms.machinename};
    return AuthStatus::ok;
}

}  // namespace

Result<CallHead, std::variant<NotACall, Denied>> decode_call_head(wire::XdrDecoder& decoder) {
    using Failure = std::variant<NotACall, Denied>;
    CallHead head;
    uint32_t type = 0;
    uint32_t version_of_rpc = 0;
    if (!decoder.decode(head.xid) || !decoder.decode(type) || type != call_message || !decoder.decode(version_of_rpc))
        return fail(Failure(NotACall{}));
    if (version_of_rpc != rpc_version)
        return fail(Failure(Denied{head.xid, RejectStatus::rpc_mismatch, AuthStatus::ok}));

    uint32_t flavor = 0;
    if (!decoder.decode(head.program) || !decoder.decode(head.version) || !decoder.decode(head.procedure) ||
        !decoder.decode(flavor))
        return fail(Failure(NotACall{}));

    const auto denied = [&](AuthStatus status) {
        return fail(Failure(Denied{head.xid, RejectStatus::auth_error, status}));
    };
    std::span<std::byte> credential;
    if (!decoder.decode_opaque(credential, max_auth_body_bytes)) return denied(AuthStatus::bad_cred);
    if (const auto status = decode_credentials(flavor, credential, decoder.arena(), head.credentials);
        status != AuthStatus::ok)
        return denied(status);

    uint32_t verifier_flavor = 0;
    std::span<std::byte> verifier;
    if (!decoder.decode(verifier_flavor) || !decoder.decode_opaque(verifier, max_auth_body_bytes))
        return denied(AuthStatus::bad_verf);
    return head;
}

void encode_accepted(wire::XdrEncoder& encoder, uint32_t xid, AcceptStatus status) {
    encoder.encode(xid);
    encoder.encode(reply_message);
    encoder.encode(message_accepted);
    encoder.encode(auth_none);  // the verifier, and its empty body
    encoder.encode(0);
    encoder.encode(static_cast<uint32_t>(status));
}

void encode_denied(wire::XdrEncoder& encoder, const Denied& denied) {
    encoder.encode(denied.xid);
    encoder.encode(reply_message);
    encoder.encode(message_denied);
    encoder.encode(static_cast<uint32_t>(denied.status));
    if (denied.status == RejectStatus::rpc_mismatch) {
        encoder.encode(rpc_version);
        encoder.encode(rpc_version);
    } else {
        encoder.encode(static_cast<uint32_t>(denied.auth));
    }
}

}  // namespace lockstep::server::rpc
