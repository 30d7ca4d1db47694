#include "nfs_server/rpc/rpcbind.hpp"

#include <netconfig.h>
#include <rpc/rpc.h>
#include <rpc/rpcb_clnt.h>

#include <memory>

#include <fmt/format.h>

namespace lockstep::server::rpc {
namespace {

struct FreeNetconfig {
    void operator()(netconfig* entry) const { freenetconfigent(entry); }
};
using Netconfig = std::unique_ptr<netconfig, FreeNetconfig>;

}  // namespace

Result<void, std::string> RpcbindRegistration::add(const ProgramSet& programs, const PeerAddress& address,
                                                   bool is_udp) {
    const char* const networks[] = {"tcp", "tcp6", "udp", "udp6"};
    const char* network = networks[(is_udp ? 2 : 0) + (address.is_ipv6() ? 1 : 0)];
    const Netconfig config(getnetconfigent(network));
    if (!config) return fail(fmt::format("rpcbind: the system does not know the network '{}'", network));
    netbuf where{};
    where.buf = const_cast<sockaddr*>(address.get());
    where.len = where.maxlen = address.size_bytes();
    for (const Program* program : programs.all()) {
        rpcb_unset(program->number(), program->version(), config.get());
        if (!rpcb_set(program->number(), program->version(), config.get(), &where))
            return fail(fmt::format("rpcbind does not register {} (program {}, version {}) at {}: {}", program->name(),
                                    program->number(), program->version(), address.to_string(),
                                    clnt_sperrno(rpc_createerr.cf_stat)));
        entries_.push_back({program->number(), program->version(), network});
    }
    return {};
}

RpcbindRegistration::~RpcbindRegistration() {
    for (const Entry& entry : entries_) {
        const Netconfig config(getnetconfigent(entry.network));
        if (config) rpcb_unset(entry.program, entry.version, config.get());
    }
}

}  // namespace lockstep::server::rpc
