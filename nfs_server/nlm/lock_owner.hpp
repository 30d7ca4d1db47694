// Who holds locks: clients, and the owners on them. Nlm layer.
//
// The protocol names an owner by (caller_name, oh, svid), a client by caller_name. Many hosts have the same name, so
// the address that a call comes from belongs to it: nobody acts as a client elsewhere. Here each has one object as long
// as it holds or asks for something; an owner has a number by which the lock table and the tracepoints know it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lockstep::server::nlm {

// A host that has locks. Immutable but for what is atomic.
struct LockClient {
    std::string name;  // its caller_name
    std::string address;
    std::string label;  // NAME@ADDRESS, for events and people
    std::atomic<size_t> locks_count{0};
    std::atomic<size_t> waits_count{0};
    std::atomic<int32_t> nsm_state{0};      // the greatest that it has told; 0: none
    std::atomic<bool> is_monitored{false};  // it is on the durable list
};

// A process (or what the client takes for one) that has locks. Immutable.
struct LockOwner {
    uint64_t number;  // above 0, never used again in the life of the process
    std::shared_ptr<LockClient> client;
    std::string handle;  // the protocol's oh
    int32_t svid;
};

// Gives each owner its object. Objects go when nobody holds them, and their places here with them: bounded by the locks
// that are held and the calls under way. Outlives the objects. Any thread.
class LockOwners {
 public:
    std::shared_ptr<const LockOwner> find_or_add(std::string_view client_name, std::string_view handle, int32_t svid,
                                                 std::string_view address);

    // nullptr: no such client has or asks for a lock.
    std::shared_ptr<LockClient> find_client(std::string_view name, std::string_view address);

    // All that have or ask for locks, at the address or of the name.
    std::vector<std::shared_ptr<LockClient>> clients_at(std::string_view address);
    std::vector<std::shared_ptr<LockClient>> clients_named(std::string_view name);

    size_t count() const { return count_.load(); }

 private:
    template <class T>
    struct Shard {
        std::mutex mutex;
        std::unordered_map<std::string, std::weak_ptr<T>> objects;
    };
    static constexpr size_t shards = 64;

    std::shared_ptr<LockClient> find_or_add_client(std::string_view name, std::string_view address);
    template <class Predicate>
    std::vector<std::shared_ptr<LockClient>> clients_where(Predicate is_wanted);
    template <class T>
    static void forget(Shard<T>& shard, const std::string& key);

    std::array<Shard<const LockOwner>, shards> owners_;
    std::array<Shard<LockClient>, shards> clients_;
    std::atomic<uint64_t> last_number_{0};
    std::atomic<size_t> count_{0};
};

}  // namespace lockstep::server::nlm
