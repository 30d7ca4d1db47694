#include "nfs_server/rpc/dispatcher.hpp"

#include "nfs_server/base/unique_ids.hpp"
#include "tracepoints/rpc.tp"

namespace lockstep::server::rpc {
namespace {

struct Requests;  // the sequence of their numbers

Answer refuse(const Dispatcher::Origin& origin, uint32_t xid, uint32_t status, wire::XdrEncoder& encoder) {
    encoder.finish();
    lttng_ust_tracepoint(rpc, call_refused, origin.connection_id, xid, status);
    return {.kind = Answer::Kind::refused,
            .xid = xid,
            .accept_status = status,
            .size_bytes = static_cast<uint32_t>(encoder.size_bytes())};
}

Answer refuse_accepted(const Dispatcher::Origin& origin, uint32_t xid, AcceptStatus status, Arena& arena,
                       std::vector<iovec>& pieces) {
    wire::XdrEncoder encoder(arena, pieces);
    encode_accepted(encoder, xid, status);
    return refuse(origin, xid, static_cast<uint32_t>(status), encoder);
}

Answer refuse_version(const Dispatcher::Origin& origin, uint32_t xid, const ProgramSet::Lookup& found, Arena& arena,
                      std::vector<iovec>& pieces) {
    wire::XdrEncoder encoder(arena, pieces);
    encode_accepted(encoder, xid, AcceptStatus::prog_mismatch);
    encoder.encode(found.low_version);
    encoder.encode(found.high_version);
    return refuse(origin, xid, static_cast<uint32_t>(AcceptStatus::prog_mismatch), encoder);
}

Answer deny(const Dispatcher::Origin& origin, const Denied& denied, Arena& arena, std::vector<iovec>& pieces) {
    wire::XdrEncoder encoder(arena, pieces);
    encode_denied(encoder, denied);
    return refuse(origin, denied.xid, 100 + static_cast<uint32_t>(denied.status), encoder);
}

}  // namespace

Answer Dispatcher::answer(std::span<std::byte> message, const Origin& origin, Arena& arena,
                          std::vector<iovec>& pieces) const {
    wire::XdrDecoder decoder(message, arena);
    const auto head = decode_call_head(decoder);
    if (head) return run(*head, decoder, origin, message, arena, pieces);
    if (const auto* denied = std::get_if<Denied>(&head.error())) return deny(origin, *denied, arena, pieces);
    return {};
}

Answer Dispatcher::run(const CallHead& head, wire::XdrDecoder& decoder, const Origin& origin,
                       std::span<const std::byte> message, Arena& arena, std::vector<iovec>& pieces) const {
    const auto found = programs_.find(head.program, head.version);
    if (!found.known_number) return refuse_accepted(origin, head.xid, AcceptStatus::prog_unavail, arena, pieces);
    if (!found.program) return refuse_version(origin, head.xid, found, arena, pieces);
    const Procedure* procedure = found.program->find(head.procedure);
    if (!procedure) return refuse_accepted(origin, head.xid, AcceptStatus::proc_unavail, arena, pieces);
    // Decoding changes the message, always alike; what comes after the head is still as it came.
    const uint64_t fingerprint = procedure->wants_fingerprint ? found.program->fingerprint(message) : 0;
    const void* args = procedure->decode(decoder, arena);
    if (!args) return refuse_accepted(origin, head.xid, AcceptStatus::garbage_args, arena, pieces);

    const CallContext call{.request_id = next_unique_id<Requests>(),
                           .connection_id = origin.connection_id,
                           .xid = head.xid,
                           .program = head.program,
                           .version = head.version,
                           .procedure = head.procedure,
                           .peer = origin.peer,
                           .credentials = head.credentials,
                           .arena = arena,
                           .fingerprint = fingerprint};
    lttng_ust_tracepoint(rpc, call_received, call.request_id, call.connection_id, call.xid, call.program, call.version,
                         call.procedure, static_cast<uint32_t>(message.size()));
    auto status = AcceptStatus::success;
    wire::XdrEncoder encoder(arena, pieces);
    encode_accepted(encoder, head.xid, status);
    if (!procedure->run(call, args, encoder)) {
        status = AcceptStatus::system_err;
        encoder.restart();
        encode_accepted(encoder, head.xid, status);
    }
    encoder.finish();
    return {.kind = Answer::Kind::reply,
            .request_id = call.request_id,
            .xid = head.xid,
            .accept_status = static_cast<uint32_t>(status),
            .size_bytes = static_cast<uint32_t>(encoder.size_bytes())};
}

}  // namespace lockstep::server::rpc
