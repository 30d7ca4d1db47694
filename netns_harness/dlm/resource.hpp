// One resource at its master: who holds it in which mode, who waits to change its mode, who waits to be let in. Pure:
// no sockets, no time.
//
// A conversion goes before new requests, in any order that can be granted; new requests are granted in the order in
// which they came, and only while no conversion waits. So neither waits for ever, provided that holders let go.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "netns_harness/dlm/lock_modes.hpp"

namespace lockstep::dlm {

using Owner = std::uint64_t;  // a number that the master gives to each session

enum class Answer : std::uint8_t { granted, waits, busy, deadlock };

// A request of an owner that waited until now.
struct Grant {
    Owner owner = 0;
    std::uint32_t request = 0;
    bool operator==(const Grant&) const = default;
};

// One thread.
class Resource {
 public:
    // `overlooks`: asked when a grant would be incompatible with what is held; yes is the deliberate fault.
    explicit Resource(std::function<bool()> overlooks = [] { return false; }) : overlooks_(std::move(overlooks)) {}

    // Asks for the resource in `mode`, or, if the owner holds it, to hold it in that mode instead; until that is
    // granted it keeps the mode that it has. At most one request of an owner may wait. busy: it would have to wait and
    // may not; deadlock: another holder waits to convert, for this one, and this one would wait for that.
    Answer ask(Owner owner, std::uint32_t request, Mode mode, bool may_wait);

    // Takes the owner's waiting request back. False: it has none of that number.
    bool withdraw(Owner owner, std::uint32_t request);

    // The owner holds it no longer. False: it did not. A conversion that waits goes with it.
    bool release(Owner owner);

    // The owner is gone: what it holds and waits for goes.
    void forget(Owner owner);

    // Grants what can be granted now, in order: to be called after each of the above, which make room.
    std::vector<Grant> grant_waiters();

    bool unused() const { return holders_.empty() && conversions_.empty() && newcomers_.empty(); }
    const std::map<Owner, Mode>& holders() const { return holders_; }

 private:
    struct Waiter {
        Owner owner = 0;
        std::uint32_t request = 0;
        Mode mode = Mode::NL;
    };
    bool fits(Owner owner, Mode mode) const;
    bool grantable(Owner owner, Mode mode) { return fits(owner, mode) || overlooks_(); }
    bool conversion_deadlock(Owner owner, Mode mode) const;
    Answer ask_anew(const Waiter& asked, bool may_wait);
    Answer convert(const Waiter& asked, bool may_wait);
    Answer queue(std::deque<Waiter>& waiters, const Waiter& asked, bool may_wait);

    std::function<bool()> overlooks_;
    std::map<Owner, Mode> holders_;
    std::deque<Waiter> conversions_;
    std::deque<Waiter> newcomers_;
};

}  // namespace lockstep::dlm
