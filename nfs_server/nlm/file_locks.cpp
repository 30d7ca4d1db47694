#include "nfs_server/nlm/file_locks.hpp"

#include <algorithm>

#include "nfs_server/base/faults.hpp"
#include "nfs_server/nlm/lock_events.hpp"

namespace lockstep::server::nlm {
namespace {

Fault queue_jump{"queue_jump", "NLM lets requests pass one that has waited long enough", 1};

bool conflicts(const LockRequest& a, const LockRequest& b) {
    return a.owner->number != b.owner->number && a.range.overlaps(b.range) && !compatible(a.mode, b.mode);
}

bool is_same(const LockRequest& a, const LockRequest& b) {
    return a.owner->number == b.owner->number && a.range == b.range && a.mode == b.mode;
}

auto by_id(uint64_t request_id) {
    return [request_id](const auto& waiting) { return waiting.request.request_id == request_id; };
}

}  // namespace

uint64_t FileLocks::in_the_way(const LockRequest& request, uint32_t max_overtakes) const {
    if (const auto held = ranges_.find_conflict(request.owner->number, request.range, request.mode)) return held->owner;
    for (const Waiter& waiter : waiters_) {
        if (!conflicts(waiter.request, request)) continue;
        if (!request.wait_for && waiter.overtaken < max_overtakes) continue;
        // It waits for this very owner.
        if (ranges_.stands_in_the_way(request.owner->number, waiter.request.range, waiter.request.mode)) continue;
        if (!queue_jump.strikes()) return waiter.request.owner->number;
    }
    return 0;
}

uint64_t FileLocks::in_the_way(const Waiter& waiter) const {
    const LockRequest& request = waiter.request;
    if (const auto held = ranges_.find_conflict(request.owner->number, request.range, request.mode)) return held->owner;
    if (waiter.skips_queue) return 0;
    for (const Waiter& earlier : waiters_) {
        if (&earlier == &waiter) break;
        if (conflicts(earlier.request, request)) return earlier.request.owner->number;
    }
    return 0;
}

std::unordered_set<uint64_t> FileLocks::all_in_the_way(const Waiter& waiter, bool in_queue) const {
    std::unordered_set<uint64_t> owners;
    const LockRequest& request = waiter.request;
    ranges_.collect_conflicting_owners(request.owner->number, request.range, request.mode, owners);
    if (!in_queue || waiter.skips_queue) return owners;
    for (const Waiter& earlier : waiters_) {
        if (&earlier == &waiter) break;
        if (conflicts(earlier.request, request)) owners.insert(earlier.request.owner->number);
    }
    return owners;
}

void FileLocks::hold(const LockRequest& request) {
    const size_t before = ranges_.count();
    ranges_.lock(request.owner->number, request.range, request.mode);
    // Wraps around for a decrease, as unsigned numbers do.
    request.owner->client->locks_count += ranges_.count() - before;
    owners_.try_emplace(request.owner->number, request.owner);
}

void FileLocks::grant(const LockRequest& request, bool passes) {
    close_offers(request);
    for (Waiter& waiter : waiters_) {
        if (!passes || !conflicts(waiter.request, request)) continue;
        if (ranges_.stands_in_the_way(request.owner->number, waiter.request.range, waiter.request.mode)) continue;
        ++waiter.overtaken;
        fire_overtaken(waiter.request, request.owner->number);
    }
    hold(request);
    fire_granted(request, false);
}

void FileLocks::release(const LockRequest& request, ReleaseCause cause) {
    close_offers(request);
    const size_t before = ranges_.count();
    ranges_.unlock(request.owner->number, request.range);
    request.owner->client->locks_count += ranges_.count() - before;
    if (!ranges_.holds_any(request.owner->number)) owners_.erase(request.owner->number);
    fire_released(request, cause);
}

// What the owner says of a range itself counts, and no answer to an earlier grant of it any more.
void FileLocks::close_offers(const LockRequest& request) {
    offers_.remove_if([&](const Offer& offer) {
        const LockRequest& offered = offer.request;
        if (offered.owner->number != request.owner->number || !offered.range.overlaps(request.range)) return false;
        needless_.push_back(offered.request_id);
        return true;
    });
}

void FileLocks::take_needless(std::vector<uint64_t>& ids) {
    ids.insert(ids.end(), needless_.begin(), needless_.end());
    needless_.clear();
}

Waiter* FileLocks::find_same(const LockRequest& request) {
    const auto found =
        std::ranges::find_if(waiters_, [&](const Waiter& waiter) { return is_same(waiter.request, request); });
    return found == waiters_.end() ? nullptr : &*found;
}

Waiter* FileLocks::find_waiter(uint64_t request_id) {
    const auto found = std::ranges::find_if(waiters_, by_id(request_id));
    return found == waiters_.end() ? nullptr : &*found;
}

void FileLocks::enqueue(const LockRequest& request) {
    waiters_.push_back(Waiter{request});
    ++request.owner->client->waits_count;
}

void FileLocks::remove_waiter(uint64_t request_id) {
    const auto found = std::ranges::find_if(waiters_, by_id(request_id));
    if (found == waiters_.end()) return;
    --found->request.owner->client->waits_count;
    fire_wait_removed(found->request);
    waiters_.erase(found);
}

// True: something was granted, which may have been a downgrade that frees an earlier waiter.
bool FileLocks::promote_once(std::vector<LockRequest>& granted) {
    const size_t before = granted.size();
    for (auto at = waiters_.begin(); at != waiters_.end();) {
        const uint64_t blocker = in_the_way(*at);
        if (!at->is_settled || blocker != 0) {
            if (at->is_settled && blocker != at->blocker) fire_wait_changed(at->request, blocker);
            at->blocker = blocker;
            ++at;
            continue;
        }
        const LockRequest& request = at->request;
        offers_.push_back({request, ranges_.held_within(request.owner->number, request.range)});
        hold(request);
        fire_granted(request, true);
        granted.push_back(request);
        --request.owner->client->waits_count;
        at = waiters_.erase(at);
    }
    return granted.size() != before;
}

void FileLocks::promote(std::vector<LockRequest>& granted) {
    while (!waiters_.empty() && promote_once(granted)) {
    }
}

bool FileLocks::confirm(uint64_t request_id) {
    return offers_.remove_if(by_id(request_id)) != 0;
}

bool FileLocks::withdraw(uint64_t request_id) {
    const auto found = std::ranges::find_if(offers_, by_id(request_id));
    if (found == offers_.end()) return false;
    const Offer offer = *found;
    offers_.erase(found);
    // Never more than what is held now, which a later grant may have weakened: others may have been granted beside it.
    const auto now = ranges_.held_within(offer.request.owner->number, offer.request.range);
    release(offer.request, ReleaseCause::not_taken);
    for (const HeldLock& held : offer.before)
        for (const HeldLock& kept : now) {
            if (!held.range.overlaps(kept.range)) continue;
            LockRequest again = offer.request;
            again.range = {std::max(held.range.first, kept.range.first), std::min(held.range.last, kept.range.last)};
            again.mode = std::min(held.mode, kept.mode);
            hold(again);
            fire_restored(again);
        }
    return true;
}

uint64_t FileLocks::find_offer(const LockRequest& request) const {
    const auto found =
        std::ranges::find_if(offers_, [&](const Offer& offer) { return is_same(offer.request, request); });
    return found == offers_.end() ? 0 : found->request.request_id;
}

std::vector<std::shared_ptr<const LockOwner>> FileLocks::owners_of(const LockClient& client) const {
    std::vector<std::shared_ptr<const LockOwner>> found;
    for (const auto& [number, owner] : owners_)
        if (owner->client.get() == &client) found.push_back(owner);
    return found;
}

}  // namespace lockstep::server::nlm
