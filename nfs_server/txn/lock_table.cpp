#include "nfs_server/txn/lock_table.hpp"

#include <algorithm>

#include "nfs_server/base/check.hpp"
#include "nfs_server/base/faults.hpp"
#include "nfs_server/base/waiting.hpp"
#include "tracepoints/txn.tp"

namespace lockstep::server::txn {
namespace {

Fault share_exclusive_lock{"share_exclusive_lock",
                           "a transaction reads under a lock that another one holds exclusively", 4};

}  // namespace

LockTable::Lock& LockTable::lock_of(Shard& shard, LockAddress address) {
    if (shard.spare.empty()) return shard.locks[address];
    if (const auto found = shard.locks.find(address); found != shard.locks.end()) return found->second;
    shard.spare.key() = address;
    return shard.locks.insert(std::move(shard.spare)).position->second;
}

bool LockTable::compatible(const Lock& lock, LockMode mode) {
    return lock.holders.empty() || (mode == LockMode::shared && !lock.exclusive);
}

void LockTable::grant(Lock& lock, uint64_t txn_id, LockMode mode) {
    lock.holders.push_back(txn_id);
    lock.exclusive = mode == LockMode::exclusive;
}

// Grants to as many from the front of the queue as fit together.
void LockTable::hand_on(Lock& lock) {
    while (!lock.waiters.empty() && compatible(lock, lock.waiters.front()->mode)) {
        Waiter& next = *lock.waiters.front();
        lock.waiters.erase(lock.waiters.begin());
        grant(lock, next.txn_id, next.mode);
        next.granted = true;
        next.wake.notify_one();
    }
}

bool LockTable::granted_at_once(Lock& lock, uint64_t txn_id, LockMode mode) {
    if (lock.waiters.empty() && compatible(lock, mode)) {
        grant(lock, txn_id, mode);
        return true;
    }
    if (!lock.exclusive || mode == LockMode::exclusive || !share_exclusive_lock.strikes()) return false;
    lock.holders.push_back(txn_id);
    return true;
}

void LockTable::acquire(uint64_t txn_id, LockAddress address, LockMode mode) {
    Shard& shard = shard_of(address);
    std::unique_lock hold(shard.mutex);
    Lock& lock = lock_of(shard, address);
    if (!granted_at_once(lock, txn_id, mode)) {
        lttng_ust_tracepoint(txn, lock_wait_began, txn_id, address.value(), mode == LockMode::exclusive);
        Waiter waiter{.txn_id = txn_id, .mode = mode};
        lock.waiters.push_back(&waiter);
        wait_and_say_so(waiter.wake, hold, [&] { return waiter.granted; });
    }
    // Whoever waited fires here, too, in its own thread: between the grant and this nobody else can touch the lock in a
    // way that contradicts it.
    lttng_ust_tracepoint(txn, lock_acquired, txn_id, address.value(), mode == LockMode::exclusive);
}

bool LockTable::acquire_within(uint64_t txn_id, LockAddress address, LockMode mode,
                               std::chrono::milliseconds longest_wait) {
    Shard& shard = shard_of(address);
    std::unique_lock hold(shard.mutex);
    Lock& lock = lock_of(shard, address);
    if (!granted_at_once(lock, txn_id, mode)) {
        lttng_ust_tracepoint(txn, lock_wait_began, txn_id, address.value(), mode == LockMode::exclusive);
        Waiter waiter{.txn_id = txn_id, .mode = mode};
        lock.waiters.push_back(&waiter);
        if (!waiter.wake.wait_for(hold, longest_wait, [&] { return waiter.granted; })) {
            lock.waiters.erase(std::ranges::find(lock.waiters, &waiter));
            hand_on(lock);  // those behind it may fit beside the holders
            return false;
        }
    }
    lttng_ust_tracepoint(txn, lock_acquired, txn_id, address.value(), mode == LockMode::exclusive);
    return true;
}

bool LockTable::try_acquire(uint64_t txn_id, LockAddress address, LockMode mode) {
    Shard& shard = shard_of(address);
    std::lock_guard hold(shard.mutex);
    Lock& lock = lock_of(shard, address);
    if (!lock.waiters.empty() || !compatible(lock, mode)) return false;
    grant(lock, txn_id, mode);
    lttng_ust_tracepoint(txn, lock_acquired, txn_id, address.value(), mode == LockMode::exclusive);
    return true;
}

bool LockTable::try_upgrade(uint64_t txn_id, LockAddress address) {
    Shard& shard = shard_of(address);
    std::lock_guard hold(shard.mutex);
    Lock& lock = shard.locks.at(address);
    check(std::ranges::find(lock.holders, txn_id) != lock.holders.end(), "only a holder's lock is upgraded");
    if (lock.holders.size() > 1) return false;
    lock.exclusive = true;
    lttng_ust_tracepoint(txn, lock_acquired, txn_id, address.value(), 1);
    return true;
}

void LockTable::release(uint64_t txn_id, LockAddress address) {
    Shard& shard = shard_of(address);
    std::lock_guard hold(shard.mutex);
    const auto place = shard.locks.find(address);
    check(place != shard.locks.end(), "only a lock that is held is released");
    Lock& lock = place->second;
    const auto holder = std::ranges::find(lock.holders, txn_id);
    check(holder != lock.holders.end(), "only a holder releases a lock");
    lttng_ust_tracepoint(txn, lock_released, txn_id, address.value());
    *holder = lock.holders.back();
    lock.holders.pop_back();
    if (lock.holders.empty()) lock.exclusive = false;
    hand_on(lock);
    if (lock.holders.empty()) shard.spare = shard.locks.extract(place);
}

uint64_t LockTable::size() const {
    uint64_t locks_count = 0;
    for (const Shard& shard : shards_) {
        std::lock_guard hold(shard.mutex);
        locks_count += shard.locks.size();
    }
    return locks_count;
}

}  // namespace lockstep::server::txn
