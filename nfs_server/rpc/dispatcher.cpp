#include "nfs_server/rpc/dispatcher.hpp"

#include "nfs_server/base/unique_ids.hpp"
#include "nfs_server/rpc/word_reader.hpp"
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

Answer Dispatcher::answer(std::span<std::byte> message, const Origin& origin, Arena& arena, std::vector<iovec>& pieces,
                          const PlacedPayload& payload) const {
    wire::XdrDecoder decoder(message, arena);
    const auto head = decode_call_head(decoder);
    if (head) return run(*head, decoder, origin, {message, payload}, arena, pieces);
    if (const auto* denied = std::get_if<Denied>(&head.error())) return deny(origin, *denied, arena, pieces);
    return {};
}

// Only what is well formed is found; of everything else decode_call_head() says what it is.
PayloadSearch Dispatcher::find_payload(std::span<const std::byte> beginning, size_t message_bytes) const {
    WordReader words(beginning);
    const uint32_t type = words.skip(1).next();
    words.skip(1);  // the version of RPC
    const uint32_t program = words.next();
    const uint32_t version = words.next();
    const uint32_t procedure = words.next();
    words.skip(1).skip_opaque();  // the credential
    words.skip(1).skip_opaque();  // the verifier
    if (words.ended()) return {.result = PayloadSearch::Result::undecided};
    if (type != 0) return {};
    const Program* const served = programs_.find(program, version).program;
    const Procedure* const called = served ? served->find(procedure) : nullptr;
    if (!called || !called->find_payload || words.position() > message_bytes) return {};
    PayloadSearch found = called->find_payload(beginning.subspan(words.position()), message_bytes - words.position());
    found.at += words.position();
    return found;
}

Answer Dispatcher::run(const CallHead& head, wire::XdrDecoder& decoder, const Origin& origin, const Received& message,
                       Arena& arena, std::vector<iovec>& pieces) const {
    const auto found = programs_.find(head.program, head.version);
    if (!found.known_number) return refuse_accepted(origin, head.xid, AcceptStatus::prog_unavail, arena, pieces);
    if (!found.program) return refuse_version(origin, head.xid, found, arena, pieces);
    const Procedure* procedure = found.program->find(head.procedure);
    if (!procedure) return refuse_accepted(origin, head.xid, AcceptStatus::proc_unavail, arena, pieces);
    // Decoding changes the message, always alike; what comes after the head is still as it came.
    const uint64_t fingerprint =
        procedure->wants_fingerprint ? found.program->fingerprint(message.bytes, message.payload) : 0;
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
                           .fingerprint = fingerprint,
                           .payload = message.payload.payload};
    const size_t apart_bytes = call.payload ? call.payload->size_bytes() : 0;
    lttng_ust_tracepoint(rpc, call_received, call.request_id, call.connection_id, call.xid, call.program, call.version,
                         call.procedure, static_cast<uint32_t>(message.bytes.size() + apart_bytes));
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
