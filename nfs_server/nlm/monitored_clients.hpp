// What a status monitor must not forget: lists that outlive the server. Nlm layer.
//
// The clients that must hear of a restart of the server: one is on the list before its first lock is granted. And the
// hosts that other programs on this host watch: they must hear of a restart of the host, which the kernel's boot_id
// tells; that of the server alone means nothing to them. What is stored is rewritten whole, in one transaction:
//
//     "lockstep nsm 1\n" "state " NUMBER "\n" [ "boot " BOOT_ID "\n" "host " NUMBER "\n" ]
//     { "client " ADDRESS " " BYTES " " NAME "\n" | "owed " ADDRESS " " BYTES " " NAME "\n"
//     | "watch " PROGRAM " " VERSION " " PROCEDURE " " 16 BYTES ADDRESS " " BYTES " " NAME BYTES " " WATCHER "\n" }
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

// A program on this host that wants to hear when a host restarts: by a call of `procedure`, with the name, the host's
// state and the 16 bytes that it gave.
struct Watch {
    MonitoredClient host;
    std::string watcher;  // its name, as it gave it
    uint32_t program = 0;
    uint32_t version = 0;
    uint32_t procedure = 0;
    std::string cookie = std::string(16, '\0');

    bool is_by(const Watch& other) const {
        return watcher == other.watcher && program == other.program && version == other.version &&
               procedure == other.procedure;
    }
    friend bool operator==(const Watch&, const Watch&) = default;
};

// What is stored, in memory.
struct MonitorRecord {
    uint32_t state = 0;  // of this server: odd while it serves, greater with each start
    std::vector<MonitoredClient> clients = {};
    std::string boot_id = {};
    uint32_t host_state = 0;  // of this host: odd, greater with each boot
    std::vector<Watch> watches = {};
    std::vector<MonitoredClient> owed = {};  // hosts that must still hear of the last boot

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
    static constexpr size_t max_watches = 1024;

    // `is_in_use`: whether a client has locks; of those that have none, one gives way to a newcomer when the list is
    // full.
    MonitoredClients(StableText& storage, std::function<bool(const MonitoredClient&)> is_in_use)
        : storage_(storage), is_in_use_(std::move(is_in_use)) {}

    struct Start {
        std::vector<MonitoredClient> clients;  // they had locks, or may have had
        std::vector<MonitoredClient> owed;     // they must hear of the host's restart
    };
    // Reads the lists and begins a new state, which is on the disk when it returns; of the host, too, if it was booted
    // since. Once, before anything else. Error: a message.
    Result<Start, std::string> start(const std::string& boot_id = {});

    // The client is on the list, durably, when it returns; of those that have no locks one may have given way. Fires
    // nlm:client_monitored if it was not. Error: a message.
    Result<void, std::string> add(const MonitoredClient& client);
    // It was on the list when the server started.
    bool may_reclaim(const MonitoredClient& client) const;
    uint32_t state() const;

    // Programs on this host that watch others, durably when it returns. Errors: a message.
    Result<void, std::string> watch(const Watch& watch);
    // Ends what the same program watches: the host of that name, or all.
    Result<void, std::string> unwatch(const Watch& watch);
    Result<void, std::string> unwatch_all(const Watch& by);
    // Who watches the host at the address; the name is asked for when several of there are watched.
    std::vector<Watch> watches_of(const MonitoredClient& host) const;
    // As if the host had been booted: nobody watches, and those that were watched must hear of it.
    Result<std::vector<MonitoredClient>, std::string> simulate_crash();
    // The host knows of the restart.
    void told(const MonitoredClient& host);
    uint32_t host_state() const;

 private:
    template <class Change>
    Result<void, std::string> change(Change change_record);
    bool make_room(std::vector<MonitoredClient>& clients, const MonitoredClient& client) const;

    StableText& storage_;
    const std::function<bool(const MonitoredClient&)> is_in_use_;
    mutable std::mutex mutex_;
    MonitorRecord record_;
    std::vector<MonitoredClient> from_before_;  // sorted
};

}  // namespace lockstep::server::nlm
