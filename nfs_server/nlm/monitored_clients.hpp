// The clients that must hear of a restart of the server: a list that outlives it. Nlm layer.
//
// A client is on the list before its first lock is granted. What is stored is rewritten whole, in one transaction:
//
//     "lockstep nsm 1\n" "state " NUMBER "\n" { "client " ADDRESS " " BYTES " " NAME "\n" }
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nfs_server/base/result.hpp"

namespace lockstep::server::nlm {

// A few bytes on the disk: the file system's, or a test's. One thread at a time.
class StableText {
 public:
    virtual ~StableText() = default;
    // Empty when nothing was ever written. Error: a message.
    virtual Result<std::string, std::string> read() = 0;
    // Durable, whole or not at all, when it returns. Error: a message.
    virtual Result<void, std::string> write(const std::string& text) = 0;
};

struct MonitoredClient {
    std::string name;
    std::string address;
    friend auto operator<=>(const MonitoredClient&, const MonitoredClient&) = default;
};

// What is stored, in memory.
struct MonitorRecord {
    uint32_t state = 0;  // of this server: odd while it serves, greater with each start
    std::vector<MonitoredClient> clients;

    std::string to_text() const;
    // Nothing: it is no such text.
    static std::optional<MonitorRecord> from_text(std::string_view text);
};

// Any thread.
class MonitoredClients {
 public:
    static constexpr size_t max_clients = 1024;
    // So many names of one address: who makes up more does not fill the list for the others.
    static constexpr size_t max_clients_per_address = 256;

    // `is_in_use`: whether a client has locks; of those that have none, one gives way to a newcomer when the list is
    // full.
    MonitoredClients(StableText& storage, std::function<bool(const MonitoredClient&)> is_in_use)
        : storage_(storage), is_in_use_(std::move(is_in_use)) {}

    // Reads the list and begins a new state, which is on the disk when it returns. Gives the clients that had locks, or
    // may have had. Once, before anything else. Error: a message.
    Result<std::vector<MonitoredClient>, std::string> start();

    // The client is on the list, durably, when it returns; of those that have no locks one may have given way. Fires
    // nlm:client_monitored if it was not. Error: a message.
    Result<void, std::string> add(const MonitoredClient& client);
    // It was on the list when the server started.
    bool may_reclaim(const MonitoredClient& client) const;
    uint32_t state() const;

 private:
    bool make_room(const MonitoredClient& client);

    StableText& storage_;
    const std::function<bool(const MonitoredClient&)> is_in_use_;
    mutable std::mutex mutex_;
    MonitorRecord record_;
    std::vector<MonitoredClient> from_before_;  // sorted
};

}  // namespace lockstep::server::nlm
