// What happens around every procedure's body: begin, body, commit, wait until durable where the reply promises it,
// done. The reply leaves when the handler returns. Layer: ops.
#pragma once

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

/// Runs `body(Request&) -> Outcome<void>` as one transaction. Returns the status of the reply.
template <class Body>
wire::nfsstat3 run_operation(const Service& service, const CallContext& call, Promise promise, Body&& body) {
    operation_began(call);
    bool promises_stable = false;
    fs::Finished<void> finished = service.file_system.run(call.request_id, [&](Operation& op) -> Outcome<void> {
        Request request(service, call, op);
        Outcome<void> result = body(request);
        promises_stable = promise == Promise::stable || request.promises_stable();
        return result;
    });
    if (finished.result && promises_stable) finished.result = keep_promise(service, call, finished.sequence);
    const wire::nfsstat3 status = finished.result ? wire::NFS3_OK : to_nfsstat3(finished.result.error());
    operation_done(call, status, finished.result && promises_stable);
    return status;
}

/// Makes a handler of a body whose reply is a union of `resok` and `resfail`. `arms` names the union within Res.
template <class Args, class Res, class Arms, class Ok, class Failed>
auto handler(const Service& service, Promise promise, Arms Res::*arms,
             Outcome<void> (*body)(Request&, const Args&, Ok&, Failed&)) {
    return [&service, promise, arms, body](const CallContext& call, const Args& args, Res& res) {
        Ok ok{};
        Failed failed{};
        res.status = run_operation(service, call, promise, [&](Request& request) {
            ok = {};
            failed = {};
            return body(request, args, ok, failed);
        });
        if (res.status == wire::NFS3_OK) {
            (res.*arms).resok = ok;
        } else {
            (res.*arms).resfail = failed;
        }
    };
}

/// The same for a reply that tells nothing when it fails.
template <class Args, class Res, class Arms, class Ok>
auto handler(const Service& service, Promise promise, Arms Res::*arms,
             Outcome<void> (*body)(Request&, const Args&, Ok&)) {
    return [&service, promise, arms, body](const CallContext& call, const Args& args, Res& res) {
        res.status = run_operation(service, call, promise, [&](Request& request) {
            (res.*arms).resok = {};
            return body(request, args, (res.*arms).resok);
        });
    };
}

}  // namespace lockstep::server::ops
