#include "nfs_server/nlm/nlm_program.hpp"

#include "nfs_server/base/faults.hpp"
#include "nfs_server/nlm/client_restarts.hpp"
#include "nfs_server/nlm/lock_events.hpp"
#include "nfs_server/nlm/recent_calls.hpp"
#include "nfs_server/nlm/wire_message.hpp"
#include "nfs_server/wire/nlm4.hpp"

namespace lockstep::server::nlm {
namespace {

Fault late_reclaim{"late_reclaim", "NLM gives back what was held before a restart after the grace period is over"};
Fault grant_in_grace{"grant_in_grace", "NLM grants ordinary requests in the grace period", 4};

using namespace wire;
using rpc::CallContext;
using rpc::NoValue;

std::span<const std::byte> bytes_of(const nlm_netobj& object) {
    return std::as_bytes(std::span(object.nlm_netobj_val, object.nlm_netobj_len));
}

std::string_view text_of(const nlm_netobj& object) {
    return {object.nlm_netobj_val, object.nlm_netobj_len};
}

// The arena's bytes, as the generated types have them.
nlm_netobj netobj_of(std::string_view text) {
    return {static_cast<u_int>(text.size()), const_cast<char*>(text.data())};
}

nlm4_stats to_nlm4_stats(fs::Error error) {
    switch (error.code()) {
        case fs::Error::bad_handle:
        case fs::Error::stale:
            return NLM4_STALE_FH;
        case fs::Error::read_only:
            return NLM4_ROFS;
        case fs::Error::log_full:
            return NLM4_DENIED_NOLOCKS;
        default:
            return NLM4_FAILED;
    }
}

nlm4_stats to_nlm4_stats(LockStatus status) {
    switch (status) {
        case LockStatus::granted:
            return NLM4_GRANTED;
        case LockStatus::denied:
            return NLM4_DENIED;
        case LockStatus::no_locks:
            return NLM4_DENIED_NOLOCKS;
        case LockStatus::blocked:
            return NLM4_BLOCKED;
        case LockStatus::deadlock:
            return NLM4_DEADLCK;
    }
    return NLM4_FAILED;
}

LockMode mode_of(bool_t exclusive) {
    return exclusive ? LockMode::exclusive : LockMode::shared;
}

class Procedures {
 public:
    explicit Procedures(LockManager& manager) : manager_(manager) {}

    void test(const CallContext& call, const nlm4_testargs& args, nlm4_testres& res) {
        res.cookie = args.cookie;
        const auto request = request_on_existing_file(call, args.alock, mode_of(args.exclusive));
        if (!request) {
            res.stat.stat = request.error();
            return;
        }
        // What others will take back is not known yet.
        if (const auto entry = manager_.grace.enter(); entry.is_in_grace()) {
            res.stat.stat = NLM4_DENIED_GRACE_PERIOD;
            return;
        }
        const auto holder = manager_.table.test(*request);
        res.stat.stat = holder ? NLM4_DENIED : NLM4_GRANTED;
        if (holder) describe(*holder, call.arena, res.stat.nlm4_testrply_u.holder);
    }

    void lock(const CallContext& call, const nlm4_lockargs& args, nlm4_res& res) {
        res.cookie = args.cookie;
        res.stat.stat = recent_.once(call, [&] { return locked(call, args, true); });
    }

    // For clients that are not monitored: their locks do not outlive the server.
    void lock_unmonitored(const CallContext& call, const nlm4_lockargs& args, nlm4_res& res) {
        res.cookie = args.cookie;
        res.stat.stat = recent_.once(call, [&] { return locked(call, args, false); });
    }

    // Takes what was held, not what the file system knows: a removed file's locks must go too.
    void unlock(const CallContext& call, const nlm4_unlockargs& args, nlm4_res& res) {
        res.cookie = args.cookie;
        res.stat.stat = recent_.once(call, [&] { return unlocked(call, args.alock); });
    }

    void cancel(const CallContext& call, const nlm4_cancargs& args, nlm4_res& res) {
        res.cookie = args.cookie;
        res.stat.stat = recent_.once(call, [&] { return cancelled(call, args); });
    }

    // A server's word to a waiting client. This server is nobody's client and waits for no lock.
    void granted(const CallContext&, const nlm4_testargs& args, nlm4_res& res) {
        res.cookie = args.cookie;
        res.stat.stat = NLM4_DENIED;
    }

    void share(const CallContext& call, const nlm4_shareargs& args, nlm4_shareres& res) {
        res.cookie = args.cookie;
        res.stat = recent_.once(call, [&] { return shared(call, args); });
    }

    void unshare(const CallContext& call, const nlm4_shareargs& args, nlm4_shareres& res) {
        res.cookie = args.cookie;
        res.stat = recent_.once(call, [&] { return unshared(call, args); });
    }

    // What a status monitor on this host says of a client that restarted: believed from this host only.
    void client_restarted(const CallContext& call, const nlm4_sm_notify& args, NoValue&) {
        if (call.peer.is_loopback()) client_restarted_by_name(manager_, call.request_id, args.mon_name, args.state);
    }

    // Answers to calls that this server does not make.
    void ignore_test(const CallContext&, const nlm4_testres&, NoValue&) {}
    void ignore(const CallContext&, const nlm4_res&, NoValue&) {}

    // The asynchronous form of a procedure: the answer is a call of its own, to the caller's lock manager.
    template <class Args, class Res>
    auto as_message(void (Procedures::*method)(const CallContext&, const Args&, Res&), bool_t (*xdr_res)(XDR*, Res*),
                    uint32_t answer) {
        return [this, method, xdr_res, answer](const CallContext& call, const Args& args, NoValue&) {
            Res res{};
            (this->*method)(call, args, res);
            if (!manager_.outgoing) return;
            manager_.outgoing->start({.host = call.peer,
                                      .program = NLM_PROGRAM,
                                      .version = NLM4_VERS,
                                      .procedure = answer,
                                      .args = encoded(xdr_res, res),
                                      .give_up_after_ms = manager_.options.callback_limit_ms,
                                      .has_reply = false});
        };
    }

    // A client that has no status monitor says that it restarted. It is believed from the address only that it locked
    // from.
    void free_all(const CallContext& call, const nlm4_notify& args, NoValue&) {
        recent_.once(call, [&] {
            if (const auto client = manager_.owners.find_client(args.name, call.peer.address()))
                manager_.client_gone(call.request_id, *client, ReleaseCause::client_restarted);
            return NLM4_GRANTED;
        });
    }

 private:
    using MaybeRequest = Result<LockRequest, nlm4_stats>;

    MaybeRequest request_on_existing_file(const CallContext& call, const nlm4_lock& lock, LockMode mode) {
        return request(call, lock, mode, [&](auto handle) { return manager_.files.resolve(handle, call, mode); });
    }

    template <class FindFile>
    MaybeRequest request(const CallContext& call, const nlm4_lock& lock, LockMode mode, FindFile find_file) {
        const auto range = ByteRange::from_wire(lock.l_offset, lock.l_len);
        if (!range) return fail(NLM4_FBIG);
        const auto file = find_file(bytes_of(lock.fh));
        if (!file) return fail(to_nlm4_stats(file.error()));
        auto owner = manager_.owners.find_or_add(lock.caller_name, text_of(lock.oh), lock.svid, call.peer.address());
        return LockRequest{
            .request_id = call.request_id, .file = *file, .owner = std::move(owner), .range = *range, .mode = mode};
    }

    nlm4_stats locked(const CallContext& call, const nlm4_lockargs& args, bool is_monitored) {
        auto request = request_on_existing_file(call, args.alock, mode_of(args.exclusive));
        if (!request) return request.error();
        request->reclaim = args.reclaim;
        LockClient& client = *request->owner->client;
        if (is_monitored) note_state(manager_, call.request_id, client, args.state);
        const auto entry = manager_.grace.enter();
        if (const auto status = judge_by_grace(entry, client, args.reclaim)) {
            if (status == NLM4_DENIED_GRACE_PERIOD && !args.reclaim) fire_refused_by_grace(*request);
            return *status;
        }
        if (is_monitored && !remember(client)) return NLM4_DENIED_NOLOCKS;
        if (args.block && is_monitored)
            request->wait_for = std::make_shared<const GrantTarget>(std::string(text_of(args.alock.fh)), call.peer);
        const nlm4_stats status = to_nlm4_stats(manager_.table.lock(*request));
        // NM_LOCK does not wait: with NLM4_BLOCKED its client would wait for a callback for ever.
        return status == NLM4_DENIED && args.block ? NLM4_DENIED_NOLOCKS : status;
    }

    // The client is on the durable list before it gets a lock.
    bool remember(LockClient& client) {
        if (!manager_.monitored || client.is_monitored) return true;
        if (!manager_.monitored->add({client.name, client.address})) return false;
        client.is_monitored = true;
        return true;
    }

    // Nothing: the request may be looked at.
    std::optional<nlm4_stats> judge_by_grace(const GracePeriod::Entry& entry, const LockClient& client, bool reclaim) {
        if (!entry.is_in_grace())
            return reclaim && !late_reclaim.strikes() ? std::optional(NLM4_DENIED_GRACE_PERIOD) : std::nullopt;
        if (!reclaim) return grant_in_grace.strikes() ? std::nullopt : std::optional(NLM4_DENIED_GRACE_PERIOD);
        const bool is_known = manager_.monitored && manager_.monitored->may_reclaim({client.name, client.address});
        return is_known ? std::nullopt : std::optional(NLM4_DENIED);
    }

    nlm4_stats cancelled(const CallContext& call, const nlm4_cancargs& args) {
        const auto found = request(call, args.alock, mode_of(args.exclusive),
                                   [&](auto handle) { return manager_.files.decode(handle); });
        if (!found) return found.error();
        return manager_.table.cancel(*found) ? NLM4_GRANTED : NLM4_DENIED;
    }

    template <class FindFile>
    Result<ShareRequest, nlm4_stats> share_request(const CallContext& call, const nlm4_share& share,
                                                   FindFile find_file) {
        const auto file = find_file(bytes_of(share.fh));
        if (!file) return fail(to_nlm4_stats(file.error()));
        // A share has no process: all of a client's that carry the same handle are one owner.
        auto owner = manager_.owners.find_or_add(share.caller_name, text_of(share.oh), 0, call.peer.address());
        return ShareRequest{*file, std::move(owner), static_cast<uint32_t>(share.access),
                            static_cast<uint32_t>(share.mode)};
    }

    nlm4_stats shared(const CallContext& call, const nlm4_shareargs& args) {
        const bool writes = (static_cast<uint32_t>(args.share.access) & fsa_W) != 0;
        const auto request = share_request(
            call, args.share, [&](auto handle) { return manager_.files.resolve(handle, call, mode_of(writes)); });
        if (!request) return request.error();
        const auto entry = manager_.grace.enter();
        if (const auto status = judge_by_grace(entry, *request->owner->client, args.reclaim)) return *status;
        if (!remember(*request->owner->client)) return NLM4_DENIED_NOLOCKS;
        switch (manager_.shares.share(*request)) {
            case ShareStatus::granted:
                return NLM4_GRANTED;
            case ShareStatus::denied:
                return NLM4_DENIED;
            case ShareStatus::no_locks:
                return NLM4_DENIED_NOLOCKS;
        }
        return NLM4_FAILED;
    }

    nlm4_stats unshared(const CallContext& call, const nlm4_shareargs& args) {
        const auto request =
            share_request(call, args.share, [&](auto handle) { return manager_.files.decode(handle); });
        if (!request) return request.error();
        manager_.shares.unshare(*request);
        return NLM4_GRANTED;
    }

    nlm4_stats unlocked(const CallContext& call, const nlm4_lock& lock) {
        const auto found =
            request(call, lock, LockMode::exclusive, [&](auto handle) { return manager_.files.decode(handle); });
        if (!found) return found.error();
        return to_nlm4_stats(manager_.table.unlock(*found));
    }

    static void describe(const LockHolder& found, Arena& arena, nlm4_holder& holder) {
        holder.exclusive = found.mode == LockMode::exclusive;
        holder.svid = found.owner->svid;
        holder.oh = netobj_of(arena.copy(found.owner->handle));
        holder.l_offset = found.range.first;
        holder.l_len = found.range.wire_length();
    }

    LockManager& manager_;
    RecentCalls recent_;
};

}  // namespace

rpc::Program nlm_program(LockManager& manager) {
    const auto procedures = std::make_shared<Procedures>(manager);
    const auto bind = [procedures](auto method) {
        return [procedures, method](const CallContext& call, const auto& args, auto& res) {
            ((*procedures).*method)(call, args, res);
        };
    };
    using P = Procedures;
    const auto message = [procedures](auto method, auto xdr_res, uint32_t answer) {
        return [procedures, run = procedures->as_message(method, xdr_res, answer)](
                   const CallContext& call, const auto& args, NoValue& res) { run(call, args, res); };
    };
    const auto nothing = rpc::xdr_no_value;
    rpc::Program program(NLM_PROGRAM, NLM4_VERS, "NLM");
    program.add(NLMPROC4_TEST, "TEST", xdr_nlm4_testargs, xdr_nlm4_testres, bind(&P::test));
    program.add(NLMPROC4_LOCK, "LOCK", xdr_nlm4_lockargs, xdr_nlm4_res, bind(&P::lock));
    program.add(NLMPROC4_CANCEL, "CANCEL", xdr_nlm4_cancargs, xdr_nlm4_res, bind(&P::cancel));
    program.add(NLMPROC4_UNLOCK, "UNLOCK", xdr_nlm4_unlockargs, xdr_nlm4_res, bind(&P::unlock));
    program.add(NLMPROC4_GRANTED, "GRANTED", xdr_nlm4_testargs, xdr_nlm4_res, bind(&P::granted));
    program.add(NLMPROC4_TEST_MSG, "TEST_MSG", xdr_nlm4_testargs, nothing,
                message(&P::test, xdr_nlm4_testres, NLMPROC4_TEST_RES));
    program.add(NLMPROC4_LOCK_MSG, "LOCK_MSG", xdr_nlm4_lockargs, nothing,
                message(&P::lock, xdr_nlm4_res, NLMPROC4_LOCK_RES));
    program.add(NLMPROC4_CANCEL_MSG, "CANCEL_MSG", xdr_nlm4_cancargs, nothing,
                message(&P::cancel, xdr_nlm4_res, NLMPROC4_CANCEL_RES));
    program.add(NLMPROC4_UNLOCK_MSG, "UNLOCK_MSG", xdr_nlm4_unlockargs, nothing,
                message(&P::unlock, xdr_nlm4_res, NLMPROC4_UNLOCK_RES));
    program.add(NLMPROC4_GRANTED_MSG, "GRANTED_MSG", xdr_nlm4_testargs, nothing,
                message(&P::granted, xdr_nlm4_res, NLMPROC4_GRANTED_RES));
    program.add(NLMPROC4_TEST_RES, "TEST_RES", xdr_nlm4_testres, nothing, bind(&P::ignore_test));
    program.add(NLMPROC4_LOCK_RES, "LOCK_RES", xdr_nlm4_res, nothing, bind(&P::ignore));
    program.add(NLMPROC4_CANCEL_RES, "CANCEL_RES", xdr_nlm4_res, nothing, bind(&P::ignore));
    program.add(NLMPROC4_UNLOCK_RES, "UNLOCK_RES", xdr_nlm4_res, nothing, bind(&P::ignore));
    program.add(NLMPROC4_GRANTED_RES, "GRANTED_RES", xdr_nlm4_res, nothing, bind(&P::ignore));
    program.add(NLMPROC4_SM_NOTIFY, "SM_NOTIFY", xdr_nlm4_sm_notify, nothing, bind(&P::client_restarted));
    program.add(NLMPROC4_SHARE, "SHARE", xdr_nlm4_shareargs, xdr_nlm4_shareres, bind(&P::share));
    program.add(NLMPROC4_UNSHARE, "UNSHARE", xdr_nlm4_shareargs, xdr_nlm4_shareres, bind(&P::unshare));
    program.add(NLMPROC4_NM_LOCK, "NM_LOCK", xdr_nlm4_lockargs, xdr_nlm4_res, bind(&P::lock_unmonitored));
    program.add(NLMPROC4_FREE_ALL, "FREE_ALL", xdr_nlm4_notify, nothing, bind(&P::free_all));
    for (const uint32_t procedure :
         {NLMPROC4_LOCK, NLMPROC4_NM_LOCK, NLMPROC4_LOCK_MSG, NLMPROC4_UNLOCK, NLMPROC4_UNLOCK_MSG, NLMPROC4_CANCEL,
          NLMPROC4_CANCEL_MSG, NLMPROC4_SHARE, NLMPROC4_UNSHARE, NLMPROC4_FREE_ALL})
        program.fingerprint_calls(procedure);
    return program;
}

}  // namespace lockstep::server::nlm
