#include "nfs_server/nlm/nlm_program.hpp"

#include "nfs_server/wire/nlm4.hpp"

namespace lockstep::server::nlm {
namespace {

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
        const auto holder = manager_.table.test(*request);
        res.stat.stat = holder ? NLM4_DENIED : NLM4_GRANTED;
        if (holder) describe(*holder, call.arena, res.stat.nlm4_testrply_u.holder);
    }

    void lock(const CallContext& call, const nlm4_lockargs& args, nlm4_res& res) {
        res.cookie = args.cookie;
        res.stat.stat = locked(call, args);
    }

    // Takes what was held, not what the file system knows: a removed file's locks must go too.
    void unlock(const CallContext& call, const nlm4_unlockargs& args, nlm4_res& res) {
        res.cookie = args.cookie;
        res.stat.stat = unlocked(call, args.alock);
    }

    // Nothing is ever queued, so there is nothing to cancel.
    void cancel(const CallContext&, const nlm4_cancargs& args, nlm4_res& res) {
        res.cookie = args.cookie;
        res.stat.stat = NLM4_DENIED;
    }

    // A server's word to a waiting client. This server is nobody's client and waits for no lock.
    void granted(const CallContext&, const nlm4_testargs& args, nlm4_res& res) {
        res.cookie = args.cookie;
        res.stat.stat = NLM4_DENIED;
    }

    // A client that has no status monitor says that it restarted. It is believed from the address only that it locked
    // from.
    void free_all(const CallContext& call, const nlm4_notify& args, NoValue&) {
        const auto client = manager_.owners.find_client(args.name);
        if (client && client->address == call.peer.address())
            manager_.table.release_client(call.request_id, *client, ReleaseCause::client_restarted);
    }

 private:
    using MaybeRequest = Result<LockRequest, nlm4_stats>;

    MaybeRequest request_on_existing_file(const CallContext& call, const nlm4_lock& lock, LockMode mode) {
        return request(call, lock, mode, [&](auto handle) { return manager_.files.resolve(handle, call.request_id); });
    }

    template <class FindFile>
    MaybeRequest request(const CallContext& call, const nlm4_lock& lock, LockMode mode, FindFile find_file) {
        const auto range = ByteRange::from_wire(lock.l_offset, lock.l_len);
        if (!range) return fail(NLM4_FBIG);
        const auto file = find_file(bytes_of(lock.fh));
        if (!file) return fail(to_nlm4_stats(file.error()));
        auto owner = manager_.owners.find_or_add(lock.caller_name, text_of(lock.oh), lock.svid, call.peer.address());
        return LockRequest{call.request_id, *file, std::move(owner), *range, mode};
    }

    nlm4_stats locked(const CallContext& call, const nlm4_lockargs& args) {
        const auto request = request_on_existing_file(call, args.alock, mode_of(args.exclusive));
        if (!request) return request.error();
        const nlm4_stats status = to_nlm4_stats(manager_.table.lock(*request));
        // A client that would wait is told that it can't: with NLM4_BLOCKED it would wait for a callback for ever.
        return status == NLM4_DENIED && args.block ? NLM4_DENIED_NOLOCKS : status;
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
};

}  // namespace

rpc::Program nlm_program(LockManager& manager) {
    const auto procedures = std::make_shared<Procedures>(manager);
    const auto bind = [procedures](auto method) {
        return [procedures, method](const CallContext& call, const auto& args, auto& res) {
            ((*procedures).*method)(call, args, res);
        };
    };
    rpc::Program program(NLM_PROGRAM, NLM4_VERS, "NLM");
    program.add(NLMPROC4_TEST, "TEST", xdr_nlm4_testargs, xdr_nlm4_testres, bind(&Procedures::test));
    program.add(NLMPROC4_LOCK, "LOCK", xdr_nlm4_lockargs, xdr_nlm4_res, bind(&Procedures::lock));
    program.add(NLMPROC4_CANCEL, "CANCEL", xdr_nlm4_cancargs, xdr_nlm4_res, bind(&Procedures::cancel));
    program.add(NLMPROC4_UNLOCK, "UNLOCK", xdr_nlm4_unlockargs, xdr_nlm4_res, bind(&Procedures::unlock));
    program.add(NLMPROC4_GRANTED, "GRANTED", xdr_nlm4_testargs, xdr_nlm4_res, bind(&Procedures::granted));
    program.add(NLMPROC4_NM_LOCK, "NM_LOCK", xdr_nlm4_lockargs, xdr_nlm4_res, bind(&Procedures::lock));
    program.add(NLMPROC4_FREE_ALL, "FREE_ALL", xdr_nlm4_notify, rpc::xdr_no_value, bind(&Procedures::free_all));
    return program;
}

}  // namespace lockstep::server::nlm
