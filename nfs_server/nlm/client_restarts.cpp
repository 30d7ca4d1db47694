#include "nfs_server/nlm/client_restarts.hpp"

#include <spdlog/spdlog.h>

namespace lockstep::server::nlm {
namespace {

void restarted(LockManager& manager, uint64_t request_id, LockClient& client, int32_t state) {
    const int32_t known = client.nsm_state.exchange(state);
    if (known != 0 && known >= state) {
        client.nsm_state = known;
        return;
    }
    manager.client_gone(request_id, client, ReleaseCause::client_restarted);
}

}  // namespace

void note_state(LockManager& manager, uint64_t request_id, LockClient& client, int32_t state) {
    if (state == 0) return;
    int32_t known = client.nsm_state;
    while (known < state && !client.nsm_state.compare_exchange_weak(known, state)) {
    }
    if (known != 0 && known < state) manager.client_gone(request_id, client, ReleaseCause::client_restarted);
}

void client_restarted(LockManager& manager, uint64_t request_id, std::string_view name, std::string_view address,
                      int32_t state) {
    const auto clients = manager.owners.clients_at(address);
    for (const auto& client : clients)
        if (clients.size() == 1 || client->name == name) return restarted(manager, request_id, *client, state);
    spdlog::debug("{} says that {} restarted: it has no locks", address, name);
}

void client_restarted_by_name(LockManager& manager, uint64_t request_id, std::string_view name, int32_t state) {
    for (const auto& client : manager.owners.clients_named(name)) restarted(manager, request_id, *client, state);
}

}  // namespace lockstep::server::nlm
