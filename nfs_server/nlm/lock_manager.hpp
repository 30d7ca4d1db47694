// The lock manager's state, put together. Nlm layer.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nfs_server/fs/error.hpp"
#include "nfs_server/fs/file_handle.hpp"
#include "nfs_server/nlm/grace_period.hpp"
#include "nfs_server/nlm/grant_callbacks.hpp"
#include "nfs_server/nlm/lock_owner.hpp"
#include "nfs_server/nlm/lock_table.hpp"
#include "nfs_server/nlm/monitored_clients.hpp"
#include "nfs_server/nlm/share_table.hpp"
#include "nfs_server/rpc/outgoing.hpp"
#include "nfs_server/rpc/program.hpp"

namespace lockstep::server::nlm {

// From a client's file handle to the file. The file system behind it, or a test's. Any thread.
class FileResolver {
 public:
    virtual ~FileResolver() = default;

    // The file, if it still exists and the caller may lock it so. Errors: bad_handle, stale, io, corrupt; access_denied
    // (it is not exported to this client, or the user may neither read nor write it), read_only (an exclusive lock of
    // what the client may only read).
    virtual fs::Outcome<fs::FileIdentity> resolve(std::span<const std::byte> handle, const rpc::CallContext& call,
                                                  LockMode mode) = 0;
    // The file that the handle was made for, whether or not it still exists. Errors: bad_handle, stale (foreign).
    virtual fs::Outcome<fs::FileIdentity> decode(std::span<const std::byte> handle) = 0;
};

// The address of a host's name, or of an address as text; "" when there is none. May ask the network.
std::string system_address_of(const std::string& name);

struct LockManagerOptions {
    LockLimits limits = {};
    int64_t grace_period_ms = 45'000;
    int64_t callback_limit_ms = 30'000;
    int64_t notify_limit_ms = 15 * 60'000;
    uint16_t portmapper_port = 111;  // of clients
    std::string boot_id = {};        // changes with each boot of this host; empty: the kernel's
    std::function<std::string(const std::string&)> address_of = system_address_of;
};

class LockManager {
 public:
    // Without callbacks and without memory: nobody waits, nothing is monitored. The resolver outlives it.
    explicit LockManager(FileResolver& resolver, const LockManagerOptions& chosen = {},
                         const Clock& clock = system_clock())
        : options(chosen), table(chosen.limits), grace(clock), files(resolver) {}

    // Requests may wait from now on. Before the first request. Errors of the system: std::system_error.
    void enable_callbacks();
    // Clients are remembered in `storage` (which outlives the manager) from now on; those that are found there are told
    // that the server has restarted, and the grace period begins. Before the first request, after enable_callbacks().
    // Error: a message.
    Result<void, std::string> enable_monitoring(StableText& storage);

    // The client has restarted: what it held and waited for goes. Returns how many locks went.
    size_t client_gone(uint64_t request_id, const LockClient& client, ReleaseCause cause);

    // The hosts are told that this host, on which somebody watched them, has restarted.
    void notify_of_host(const std::vector<MonitoredClient>& owed);

    const LockManagerOptions options;
    LockOwners owners;
    LockTable table;
    ShareTable shares;
    GracePeriod grace;
    FileResolver& files;
    std::unique_ptr<MonitoredClients> monitored;  // nullptr: nobody is
    std::unique_ptr<GrantCallbacks> callbacks;
    std::unique_ptr<rpc::Outgoing> outgoing;  // the last: it ends first, since its calls use the others

 private:
    void notify(const MonitoredClient& client, uint32_t state, std::function<void()> told);
};

}  // namespace lockstep::server::nlm
