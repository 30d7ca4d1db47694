// The open connections by number. Rpc layer.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "nfs_server/rpc/connection.hpp"

namespace lockstep::server::rpc {

// An event of a socket names its connection by number, never by address: an event that comes late finds nothing instead
// of freed memory. Any thread.
class ConnectionTable {
 public:
    void add(std::shared_ptr<Connection> connection) {
        Shard& shard = shard_of(connection->id());
        const std::lock_guard hold(shard.mutex);
        ++count_;
        shard.connections.emplace(connection->id(), std::move(connection));
    }

    // nullptr: it has gone.
    std::shared_ptr<Connection> find(uint64_t id) {
        Shard& shard = shard_of(id);
        const std::lock_guard hold(shard.mutex);
        const auto found = shard.connections.find(id);
        return found == shard.connections.end() ? nullptr : found->second;
    }

    // False: it had gone already.
    bool remove(uint64_t id) {
        Shard& shard = shard_of(id);
        std::shared_ptr<Connection> last;  // is destroyed after the mutex is free
        const std::lock_guard hold(shard.mutex);
        const auto found = shard.connections.find(id);
        if (found == shard.connections.end()) return false;
        last = std::move(found->second);
        shard.connections.erase(found);
        --count_;
        return true;
    }

    size_t count() const { return count_.load(); }

    std::vector<std::shared_ptr<Connection>> all() {
        std::vector<std::shared_ptr<Connection>> all;
        for (Shard& shard : shards_) {
            const std::lock_guard hold(shard.mutex);
            for (const auto& [id, connection] : shard.connections) all.push_back(connection);
        }
        return all;
    }

 private:
    struct Shard {
        std::mutex mutex;
        std::unordered_map<uint64_t, std::shared_ptr<Connection>> connections;
    };
    Shard& shard_of(uint64_t id) { return shards_[id % shards_.size()]; }

    std::array<Shard, 16> shards_;
    std::atomic<size_t> count_{0};
};

}  // namespace lockstep::server::rpc
