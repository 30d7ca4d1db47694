#include "netns_harness/dlm/resource.hpp"

#include <algorithm>

namespace lockstep::dlm {

bool Resource::fits(Owner owner, Mode mode) const {
    return std::ranges::all_of(
        holders_, [&](const auto& holder) { return holder.first == owner || compatible(mode, holder.second); });
}

Answer Resource::ask(Owner owner, std::uint32_t request, Mode mode, bool may_wait) {
    const Waiter asked{owner, request, mode};
    return holders_.contains(owner) ? convert(asked, may_wait) : ask_anew(asked, may_wait);
}

Answer Resource::ask_anew(const Waiter& asked, bool may_wait) {
    // NL is compatible with everything and keeps nobody waiting: it need not stand in a queue.
    const bool its_turn = asked.mode == Mode::NL || (conversions_.empty() && newcomers_.empty());
    if (!its_turn || !grantable(asked.owner, asked.mode)) return queue(newcomers_, asked, may_wait);
    holders_[asked.owner] = asked.mode;
    return Answer::granted;
}

Answer Resource::convert(const Waiter& asked, bool may_wait) {
    if (!grantable(asked.owner, asked.mode)) {
        if (may_wait && conversion_deadlock(asked.owner, asked.mode)) return Answer::deadlock;
        return queue(conversions_, asked, may_wait);
    }
    holders_[asked.owner] = asked.mode;
    return Answer::granted;
}

Answer Resource::queue(std::deque<Waiter>& waiters, const Waiter& asked, bool may_wait) {
    if (!may_wait) return Answer::busy;
    waiters.push_back(asked);
    return Answer::waits;
}

// Pairs are enough. Holders are compatible with each other, so all that are stronger than CR are of one kind: among
// three in a circle whoever wants what one of them forbids wants what two of them forbid.
bool Resource::conversion_deadlock(Owner owner, Mode mode) const {
    const Mode held = holders_.at(owner);
    return std::ranges::any_of(conversions_, [&](const Waiter& other) {
        return !compatible(mode, holders_.at(other.owner)) && !compatible(other.mode, held);
    });
}

bool Resource::withdraw(Owner owner, std::uint32_t request) {
    const auto is_it = [&](const Waiter& waiter) { return waiter.owner == owner && waiter.request == request; };
    return std::erase_if(conversions_, is_it) + std::erase_if(newcomers_, is_it) > 0;
}

bool Resource::release(Owner owner) {
    std::erase_if(conversions_, [&](const Waiter& waiter) { return waiter.owner == owner; });
    return holders_.erase(owner) > 0;
}

void Resource::forget(Owner owner) {
    release(owner);
    std::erase_if(newcomers_, [&](const Waiter& waiter) { return waiter.owner == owner; });
}

std::vector<Grant> Resource::grant_waiters() {
    std::vector<Grant> grants;
    const auto grant = [&](const Waiter& waiter) {
        holders_[waiter.owner] = waiter.mode;
        grants.push_back({waiter.owner, waiter.request});
    };
    const auto can_be_granted = [&](const Waiter& waiter) { return fits(waiter.owner, waiter.mode); };
    // From the first one again each time: one that is granted may leave a mode that was in an earlier one's way.
    for (auto next = conversions_.begin();
         (next = std::ranges::find_if(conversions_, can_be_granted)) != conversions_.end(); conversions_.erase(next))
        grant(*next);
    while (conversions_.empty() && !newcomers_.empty() && can_be_granted(newcomers_.front())) {
        grant(newcomers_.front());
        newcomers_.pop_front();
    }
    return grants;
}

}  // namespace lockstep::dlm
