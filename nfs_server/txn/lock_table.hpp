// The table of two-phase locks: who holds which logical address, and who waits for it. In shards, each with its own
// mutex; a lock exists only while somebody holds it or waits for it.
//
// First come, first served: a request is granted at once only when it is compatible with the holders and nobody waits
// before it. (A shared holder that becomes exclusive goes before the queue: everybody in it waits for him anyway.)
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "nfs_server/txn/lock_address.hpp"
#include "nfs_server/txn/transaction.hpp"

namespace lockstep::server::txn {

/// Any thread may call any member. It does not know an order of addresses: who waits while holding others must keep
/// one.
class LockTable {
 public:
    LockTable() = default;
    LockTable(const LockTable&) = delete;
    LockTable& operator=(const LockTable&) = delete;

    /// Takes the lock for a transaction that does not hold it, and waits for it. Fires txn:lock_wait_began if it has to
    /// wait, and txn:lock_acquired.
    void acquire(uint64_t txn_id, LockAddress address, LockMode mode);
    /// The same, and gives up after `longest_wait`: false, the lock is not taken.
    [[nodiscard]] bool acquire_within(uint64_t txn_id, LockAddress address, LockMode mode,
                                      std::chrono::milliseconds longest_wait);
    /// Takes it if that needs no waiting. Fires txn:lock_acquired when it is taken.
    [[nodiscard]] bool try_acquire(uint64_t txn_id, LockAddress address, LockMode mode);
    /// Makes a shared lock that the transaction holds exclusive, if it is the only holder. Fires txn:lock_acquired
    /// then.
    [[nodiscard]] bool try_upgrade(uint64_t txn_id, LockAddress address);
    /// Gives a lock up that the transaction holds, and hands it on. Fires txn:lock_released.
    void release(uint64_t txn_id, LockAddress address);

    /// Locks that somebody holds or waits for: 0 when all transactions have ended.
    uint64_t size() const;

 private:
    struct Waiter {
        uint64_t txn_id;
        LockMode mode;
        bool granted = false;
        std::condition_variable wake{};
    };
    struct Lock {
        std::vector<uint64_t> holders;  // transactions; one when exclusive
        bool exclusive = false;
        std::vector<Waiter*> waiters;  // first come, first; few
    };
    // The mutex is a leaf: nothing else is locked while it is held.
    struct alignas(64) Shard {
        mutable std::mutex mutex;
        std::unordered_map<LockAddress, Lock> locks;
        decltype(locks)::node_type spare;  // of the last lock that was given up by all: the next one takes no memory
    };
    static constexpr size_t shards_count = 256;

    Shard& shard_of(LockAddress address) { return shards_[std::hash<LockAddress>{}(address) % shards_count]; }
    // The lock of the address, a new one where there is none.
    static Lock& lock_of(Shard& shard, LockAddress address);
    static bool compatible(const Lock& lock, LockMode mode);
    static bool granted_at_once(Lock& lock, uint64_t txn_id, LockMode mode);
    static void grant(Lock& lock, uint64_t txn_id, LockMode mode);
    static void hand_on(Lock& lock);

    std::array<Shard, shards_count> shards_;
};

}  // namespace lockstep::server::txn
