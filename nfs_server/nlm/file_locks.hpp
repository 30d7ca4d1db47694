// The locks of one file with the requests that wait for them, and the order in which those are granted. Nlm layer.
//
// Requests wait in the order of their arrival. A request is granted when no other owner's lock is in its way and it
// does not conflict with a request before it. So neither readers nor writers starve. Two exceptions keep this from
// harm: an owner passes a waiter that waits for that owner's own lock (else both would wait for ever), and requests
// that do not wait may pass a waiter, but only `max_overtakes` times.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "nfs_server/nlm/lock_request.hpp"
#include "nfs_server/nlm/range_locks.hpp"

namespace lockstep::server::nlm {

// A request in the queue.
struct Waiter {
    LockRequest request;
    uint64_t blocker = 0;      // an owner that it waits for
    uint32_t overtaken = 0;    // how often requests that do not wait have passed it
    bool is_settled = false;   // false: the search for a deadlock is not done; it keeps its place and is not granted
    bool skips_queue = false;  // requests before it wait for its owner
};

// A grant to a waiter that its client does not know of yet.
struct Offer {
    LockRequest request;
    std::vector<HeldLock> before;  // what the owner held of the range, to be given back if the client does not take it
};

// One thread at a time. Fires the events of what it changes, and counts it for the clients (not for the server).
class FileLocks {
 public:
    bool is_unused() const { return ranges_.empty() && waiters_.empty() && offers_.empty(); }
    size_t locks_count() const { return ranges_.count(); }
    size_t waits_count() const { return waiters_.size(); }
    const RangeLocks& ranges() const { return ranges_; }
    const std::list<Waiter>& waiters() const { return waiters_; }
    const std::unordered_map<uint64_t, std::shared_ptr<const LockOwner>>& owners() const { return owners_; }

    // The owner whose lock, or whose earlier request, keeps the request from being granted now; 0: nobody does.
    uint64_t in_the_way(const LockRequest& request, uint32_t max_overtakes) const;
    // The same of a queued request.
    uint64_t in_the_way(const Waiter& waiter) const;
    // All whom a queued request waits for: holders of locks, and with `in_queue` the owners of requests before it.
    std::unordered_set<uint64_t> all_in_the_way(const Waiter& waiter, bool in_queue) const;

    // Holds the range from now on, whatever is in the way. passes: it may have passed waiters, which is counted.
    void grant(const LockRequest& request, bool passes = true);
    // Gives the range up, and grants that the owner was not yet told of: it has given up what it could be told.
    void release(const LockRequest& request, ReleaseCause cause);

    // Puts the request at the end of the queue, not settled.
    void enqueue(const LockRequest& request);
    // The queued request that asks the same for the same owner; nullptr if there is none.
    Waiter* find_same(const LockRequest& request);
    Waiter* find_waiter(uint64_t request_id);
    void remove_waiter(uint64_t request_id);

    // Grants every settled request that nothing is in the way of, and appends it to `granted`.
    void promote(std::vector<LockRequest>& granted);

    // The grant to the waiter is known to its client; false: there is none, or it was known.
    bool confirm(uint64_t request_id);
    // The client does not take the grant: the owner holds what it held before. False as above.
    bool withdraw(uint64_t request_id);
    // The grant, not yet known to its client, of what is asked for here; 0 if there is none.
    uint64_t find_offer(const LockRequest& request) const;
    // Grants to waiters whose clients need not be told any more, since they have said what they want: appended to
    // `ids` once each.
    void take_needless(std::vector<uint64_t>& ids);

    std::vector<std::shared_ptr<const LockOwner>> owners_of(const LockClient& client) const;

 private:
    bool promote_once(std::vector<LockRequest>& granted);
    void hold(const LockRequest& request);
    void close_offers(const LockRequest& request);

    RangeLocks ranges_;
    std::list<Waiter> waiters_;
    std::list<Offer> offers_;
    std::vector<uint64_t> needless_;                                         // request_ids
    std::unordered_map<uint64_t, std::shared_ptr<const LockOwner>> owners_;  // of those that hold something
};

}  // namespace lockstep::server::nlm
