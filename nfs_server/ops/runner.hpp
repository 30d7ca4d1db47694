// What happens around every procedure's body: begin, body, commit, wait until durable where the reply promises it,
// done. The reply leaves when the handler returns. Layer: ops.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "nfs_server/base/check.hpp"
#include "nfs_server/ops/recorded_call.hpp"
#include "nfs_server/ops/reply_cache.hpp"
#include "nfs_server/ops/request.hpp"
#include "nfs_server/ops/status.hpp"

namespace lockstep::server::ops {

/// What a successful reply says about stable storage.
enum class Promise : std::uint8_t {
    nothing,      ///< the procedure changes nothing
    stable,       ///< the change is on stable storage (RFC 1813 section 4.8)
    by_the_body,  ///< the body decides, with Request::promise_stable()
};

/// What the runner tells about the beats of an operation: tracepoints, and the deliberate fault. In runner.cpp, so that
/// the templates below need neither.
void operation_began(const CallContext& call);
void operation_done(const CallContext& call, wire::nfsstat3 status, bool promises_stable);

/// Waits for `sequence`, unless the fault reply_before_commit strikes. Errors: io.
Outcome<void> keep_promise(const Service& service, const CallContext& call, Sequence sequence);

/// The pieces in one, in the arena.
std::span<const std::byte> gather(Arena& arena, const std::vector<iovec>& pieces, std::size_t size_bytes);

/// A reply as it is kept, in the arena.
template <class Res>
std::span<const std::byte> encode_kept(Arena& arena, bool_t (*xdr_res)(XDR*, Res*), Res& res) {
    // Keeps its memory from call to call.
    thread_local std::vector<iovec> pieces;
    wire::XdrEncoder encoder(arena, pieces);
    check(encoder.encode(xdr_res, res), "a reply can be encoded");
    encoder.finish();
    return gather(arena, pieces, encoder.size_bytes());
}

/// The kept reply as results again, in the arena.
template <class Res>
void decode_kept(Arena& arena, std::span<const std::byte> reply, bool_t (*xdr_res)(XDR*, Res*), Res& res) {
    const auto copy = arena.bytes(reply.size());
    std::ranges::copy(reply, copy.begin());
    wire::XdrDecoder decoder(copy, arena);
    check(decoder.decode(xdr_res, res), "a reply that is kept is one of its procedure");
}

/// True when somebody wants operations recorded.
bool is_recording();
/// Fires nfs3:operation_recorded.
void record(const CallContext& call, std::uint32_t uid, const std::string& call_text, const std::string& reply_text);

/// For a server that starts: how many files there are, the root among them.
void record_start(const fs::FileSystem& file_system);

/// Tells what was asked and answered, when somebody wants to know.
template <class Args, class Res>
void record_operation(const CallContext& call, std::uint32_t uid, const Args& args, const Res& res) {
    if (is_recording()) record(call, uid, describe_call(args), describe_reply(res));
}

/// What became of an operation.
struct Done {
    wire::nfsstat3 status = wire::NFS3_OK;  ///< of the reply
    bool committed = false;                 ///< its transaction has
    bool is_stable = false;                 ///< and is durable, since the reply promises it
    std::uint32_t uid = 0;                  ///< as whom the caller acted
    Effect effect() const { return !committed ? Effect::none : is_stable ? Effect::stable : Effect::unstable; }
};

/// Runs `body(Request&) -> Outcome<void>` as one transaction.
template <class Body>
Done run_operation(const Service& service, const CallContext& call, Promise promise, Body&& body) {
    operation_began(call);
    bool promises_stable = false;
    std::uint32_t uid = 0;
    fs::Finished<void> finished = service.file_system.run(call.request_id, [&](Operation& op) -> Outcome<void> {
        Request request(service, call, op);
        Outcome<void> result = body(request);
        uid = request.caller().uid;
        promises_stable = promise == Promise::stable || request.promises_stable();
        return result;
    });
    if (finished.result && promises_stable) finished.result = keep_promise(service, call, finished.sequence);
    const wire::nfsstat3 status = finished.result ? wire::NFS3_OK : to_nfsstat3(finished.result.error());
    const bool is_stable = finished.result && promises_stable;
    operation_done(call, status, is_stable);
    return {status, finished.committed, is_stable, uid};
}

/// The same for a call that changes something and may be sent again: it is executed once. `res` is filled by `body`
/// when it succeeds, with its status, and by `failed(status)` else.
template <class Args, class Res, class Body, class Failed>
void run_once(const Service& service, const CallContext& call, Promise promise, const Args& args,
              bool_t (*xdr_res)(XDR*, Res*), Res& res, Body&& body, Failed&& failed) {
    auto begun = service.replies->begin(call);
    if (!begun.execution) return decode_kept(call.arena, begun.reply, xdr_res, res);
    std::span<const std::byte> reply;  // of the newest attempt
    const auto body_and_reply = [&](Request& request) -> Outcome<void> {
        LOCKSTEP_TRY(body(request));
        reply = encode_kept(call.arena, xdr_res, res);
        begun.execution->keep(request.op, call.arena, reply);
        return {};
    };
    const Done done = run_operation(service, call, promise, body_and_reply);
    if (done.status != wire::NFS3_OK) failed(done.status);
    record_operation(call, done.uid, args, res);
    // The client will try this one again: it is as if it had not come.
    if (done.status == wire::NFS3ERR_JUKEBOX && !done.committed) return;
    if (done.status != wire::NFS3_OK) reply = encode_kept(call.arena, xdr_res, res);
    begun.execution->finish(done.effect(), reply, call.request_id);
}

/// Makes a handler of a body whose reply is a union of `resok` and `resfail`. `arms` names the union within Res.
/// xdr_res: for a procedure that changes something, so that a call which is sent again is answered with the first
/// reply; else nullptr.
template <class Args, class Res, class Arms, class Ok, class Failed>
auto handler(const Service& service, Promise promise, Arms Res::*arms,
             Outcome<void> (*body)(Request&, const Args&, Ok&, Failed&), bool_t (*xdr_res)(XDR*, Res*) = nullptr) {
    return [&service, promise, arms, body, xdr_res](const CallContext& call, const Args& args, Res& res) {
        Failed failed{};
        const auto succeed = [&](Request& request) -> Outcome<void> {
            Ok ok{};
            failed = {};
            LOCKSTEP_TRY(body(request, args, ok, failed));
            res.status = wire::NFS3_OK;
            (res.*arms).resok = ok;
            return {};
        };
        const auto fail_with = [&](wire::nfsstat3 status) {
            res.status = status;
            (res.*arms).resfail = failed;
        };
        if (xdr_res != nullptr && service.replies != nullptr && call.fingerprint != 0)
            return run_once(service, call, promise, args, xdr_res, res, succeed, fail_with);
        const Done done = run_operation(service, call, promise, succeed);
        if (done.status != wire::NFS3_OK) fail_with(done.status);
        record_operation(call, done.uid, args, res);
    };
}

/// The same for a reply that tells nothing when it fails.
template <class Args, class Res, class Arms, class Ok>
auto handler(const Service& service, Promise promise, Arms Res::*arms,
             Outcome<void> (*body)(Request&, const Args&, Ok&)) {
    return [&service, promise, arms, body](const CallContext& call, const Args& args, Res& res) {
        const auto succeed = [&](Request& request) {
            (res.*arms).resok = {};
            return body(request, args, (res.*arms).resok);
        };
        const Done done = run_operation(service, call, promise, succeed);
        res.status = done.status;
        record_operation(call, done.uid, args, res);
    };
}

}  // namespace lockstep::server::ops
