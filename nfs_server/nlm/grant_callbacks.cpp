#include "nfs_server/nlm/grant_callbacks.hpp"

#include <cstring>
#include <string>

#include <spdlog/spdlog.h>

#include "nfs_server/base/clock.hpp"
#include "nfs_server/base/faults.hpp"
#include "nfs_server/nlm/wire_message.hpp"
#include "nfs_server/wire/nlm4.hpp"
#include "tracepoints/nlm.tp"

namespace lockstep::server::nlm {
namespace {

Fault lost_callback{"lost_callback", "NLM does not tell a client that its waiting request is granted", 1};

std::vector<std::byte> granted_args(const LockRequest& granted) {
    const auto netobj = [](const std::string& text) {
        return wire::nlm_netobj{static_cast<u_int>(text.size()), const_cast<char*>(text.data())};
    };
    const std::string cookie(reinterpret_cast<const char*>(&granted.request_id), sizeof granted.request_id);
    wire::nlm4_testargs args{};
    args.cookie = netobj(cookie);
    args.exclusive = granted.mode == LockMode::exclusive;
    args.alock = {.caller_name = const_cast<char*>(granted.owner->client->name.c_str()),
                  .fh = netobj(granted.wait_for->file_handle),
                  .oh = netobj(granted.owner->handle),
                  .svid = granted.owner->svid,
                  .l_offset = granted.range.first,
                  .l_len = granted.range.wire_length()};
    return encoded(wire::xdr_nlm4_testargs, args);
}

}  // namespace

GrantCallbacks::GrantCallbacks(LockTable& table, rpc::Outgoing& outgoing, int64_t give_up_after_ms)
    : table_(table), outgoing_(outgoing), give_up_after_ms_(give_up_after_ms) {
    table.on_grant([this](const LockRequest& granted) { tell(granted); },
                   [this](uint64_t request_id) { outgoing_.cancel(request_id); });
}

// With the shard's mutex held.
void GrantCallbacks::tell(const LockRequest& granted) {
    if (lost_callback.strikes()) return;
    rpc::OutgoingCall call{.host = granted.wait_for->address,
                           .program = NLM_PROGRAM,
                           .version = NLM4_VERS,
                           .procedure = NLMPROC4_GRANTED,
                           .args = granted_args(granted),
                           .give_up_after_ms = give_up_after_ms_,
                           .key = granted.request_id};
    call.sent = [granted](uint32_t attempt) {
        lttng_ust_tracepoint(nlm, callback_sent, granted.request_id, granted.owner->client->label.c_str(), attempt);
    };
    call.done = [this, granted](const rpc::OutgoingResult& result) { told(granted, result); };
    // Not made: the lock is the client's all the same, which asks again when it hears nothing.
    if (!outgoing_.start(std::move(call)))
        warn(granted.owner->client->label, "is not told of a granted lock: there are too many callbacks");
}

void GrantCallbacks::warn(const std::string& client, const char* what) {
    const auto left_out = warnings_.admit(client, system_clock().monotonic_ns());
    if (!left_out) return;
    if (*left_out == 0)
        spdlog::warn("{} {}", client, what);
    else
        spdlog::warn("{} {} (and {} warnings of it before)", client, what, *left_out);
}

void GrantCallbacks::told(const LockRequest& granted, const rpc::OutgoingResult& result) {
    using Kind = rpc::OutgoingResult::Kind;
    const char* client = granted.owner->client->label.c_str();
    if (result.kind == Kind::needless) {
        lttng_ust_tracepoint(nlm, callback_abandoned, granted.request_id, client, 2);
        return;
    }
    if (result.kind == Kind::unreachable || result.kind == Kind::unanswered) {
        const bool delivered = result.kind == Kind::unanswered;
        lttng_ust_tracepoint(nlm, callback_abandoned, granted.request_id, client, delivered ? 1 : 0);
        warn(client, delivered ? "does not confirm that it knows of a granted lock, which stays its own"
                               : "can't be told of a granted lock; the next one's turn comes");
        delivered ? table_.confirm(granted) : table_.withdraw(granted);
        return;
    }
    Arena arena;
    auto bytes = result.results;
    const auto answer = decoded(wire::xdr_nlm4_res, bytes, arena);
    const bool is_refused = result.kind == Kind::refused || !answer;
    const uint32_t status = is_refused ? uint32_t{wire::NLM4_FAILED} : static_cast<uint32_t>(answer->stat.stat);
    lttng_ust_tracepoint(nlm, callback_answered, granted.request_id, client, status);
    status == wire::NLM4_GRANTED ? table_.confirm(granted) : table_.withdraw(granted);
}

}  // namespace lockstep::server::nlm
