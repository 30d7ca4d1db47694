#include "nfs_server/nlm/lock_manager.hpp"

#include <netdb.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include <spdlog/spdlog.h>

#include "nfs_server/nlm/wire_message.hpp"
#include "nfs_server/wire/nsm1.hpp"

namespace lockstep::server::nlm {
namespace {

std::string kernel_boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    file >> id;
    return id.empty() ? "unknown" : id;
}

}  // namespace

std::string system_address_of(const std::string& name) {
    if (const auto address = rpc::PeerAddress::parse(name, 0)) return address->address();
    addrinfo* found = nullptr;
    const addrinfo wanted{.ai_flags = 0,
                          .ai_family = AF_UNSPEC,
                          .ai_socktype = SOCK_DGRAM,
                          .ai_protocol = 0,
                          .ai_addrlen = 0,
                          .ai_addr = nullptr,
                          .ai_canonname = nullptr,
                          .ai_next = nullptr};
    if (getaddrinfo(name.c_str(), nullptr, &wanted, &found) != 0 || found == nullptr) return "";
    const std::string address = rpc::PeerAddress(found->ai_addr, found->ai_addrlen).address();
    freeaddrinfo(found);
    return address;
}

void LockManager::enable_callbacks() {
    outgoing = std::make_unique<rpc::Outgoing>(options.portmapper_port);
    callbacks = std::make_unique<GrantCallbacks>(table, *outgoing, options.callback_limit_ms);
}

Result<void, std::string> LockManager::enable_monitoring(StableText& storage) {
    monitored = std::make_unique<MonitoredClients>(storage, [this](const MonitoredClient& client) {
        return owners.find_client(client.name, client.address) != nullptr;
    });
    LOCKSTEP_TRY(const auto start, monitored->start(options.boot_id.empty() ? kernel_boot_id() : options.boot_id));
    notify_of_host(start.owed);
    const auto& clients = start.clients;
    if (clients.empty()) return {};
    spdlog::info("{} clients may have had locks: grace period of {} ms", clients.size(), options.grace_period_ms);
    grace.begin(options.grace_period_ms, monitored->state(), clients.size());
    for (const MonitoredClient& client : clients) notify(client, monitored->state(), [] {});
    return {};
}

void LockManager::notify_of_host(const std::vector<MonitoredClient>& owed) {
    for (const MonitoredClient& host : owed)
        notify(host, monitored->host_state(), [this, host] { monitored->told(host); });
}

// By the status monitor's protocol. The client's own finds us by our address; the name is for its log.
void LockManager::notify(const MonitoredClient& client, uint32_t state, std::function<void()> told) {
    const auto host = rpc::PeerAddress::parse(client.address, 0);
    if (!host || !outgoing) return;
    std::array<char, 256> name{};
    gethostname(name.data(), name.size() - 1);
    wire::stat_chge change{.mon_name = name.data(), .state = static_cast<int>(state)};
    rpc::OutgoingCall call{.host = *host,
                           .program = SM_PROG,
                           .version = SM_VERS,
                           .procedure = SM_NOTIFY,
                           .args = encoded(wire::xdr_stat_chge, change),
                           .give_up_after_ms = options.notify_limit_ms};
    call.done = [client, told = std::move(told)](const rpc::OutgoingResult& result) {
        const bool is_told = result.kind == rpc::OutgoingResult::Kind::answered;
        spdlog::info("{} ({}) {} of the restart", client.name, client.address, is_told ? "knows" : "could not be told");
        if (is_told) told();
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
