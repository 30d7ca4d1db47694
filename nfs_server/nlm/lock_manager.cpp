#include "nfs_server/nlm/lock_manager.hpp"

#include <unistd.h>

#include <array>

#include <spdlog/spdlog.h>

#include "nfs_server/nlm/wire_message.hpp"
#include "nfs_server/wire/nsm1.hpp"

namespace lockstep::server::nlm {

void LockManager::enable_callbacks() {
    outgoing = std::make_unique<rpc::Outgoing>(options.portmapper_port);
    callbacks = std::make_unique<GrantCallbacks>(table, *outgoing, options.callback_limit_ms);
}

Result<void, std::string> LockManager::enable_monitoring(StableText& storage) {
    monitored = std::make_unique<MonitoredClients>(storage, [this](const MonitoredClient& client) {
        return owners.find_client(client.name, client.address) != nullptr;
    });
    LOCKSTEP_TRY(const auto clients, monitored->start());
    if (clients.empty()) return {};
    spdlog::info("{} clients may have had locks: grace period of {} ms", clients.size(), options.grace_period_ms);
    grace.begin(options.grace_period_ms, monitored->state(), clients.size());
    for (const MonitoredClient& client : clients) notify(client);
    return {};
}

// By the status monitor's protocol. The client's own finds us by our address; the name is for its log.
void LockManager::notify(const MonitoredClient& client) {
    const auto host = rpc::PeerAddress::parse(client.address, 0);
    if (!host || !outgoing) return;
    std::array<char, 256> name{};
    gethostname(name.data(), name.size() - 1);
    wire::stat_chge change{.mon_name = name.data(), .state = static_cast<int>(monitored->state())};
    rpc::OutgoingCall call{.host = *host,
                           .program = SM_PROG,
                           .version = SM_VERS,
                           .procedure = SM_NOTIFY,
                           .args = encoded(wire::xdr_stat_chge, change),
                           .give_up_after_ms = options.notify_limit_ms};
    call.done = [client](const rpc::OutgoingResult& result) {
        const bool is_told = result.kind == rpc::OutgoingResult::Kind::answered;
        spdlog::info("{} ({}) {} of the restart", client.name, client.address, is_told ? "knows" : "could not be told");
    };
    outgoing->start(std::move(call));
}

size_t LockManager::client_gone(uint64_t request_id, const LockClient& client, ReleaseCause cause) {
    shares.release_client(client);
    const size_t gone = table.release_client(request_id, client, cause);
    spdlog::info("{} ({}) {}: {} locks are gone", client.name, client.address,
                 cause == ReleaseCause::fenced ? "is fenced" : "has restarted", gone);
    return gone;
}

}  // namespace lockstep::server::nlm
