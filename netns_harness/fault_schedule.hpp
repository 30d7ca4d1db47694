// When the faults of a scenario strike and end: all from the plans, the seed, and what is said of time and events.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "netns_harness/fault_plan.hpp"
#include "netns_harness/workloads/random.hpp"

namespace lockstep::harness {

// One thread. Each plan has a sequence of random choices of its own, so that adding a fault changes no other.
class FaultSchedule {
 public:
    // A fault begins, or is over.
    struct Change {
        std::size_t plan = 0;  // index
        bool begins = true;
        std::vector<std::string> hosts;  // those chosen at the beginning
    };
    // How often the tracepoint "provider:name" has been seen.
    using Occurrences = std::function<std::uint64_t(const std::string&)>;

    // Borrows the plans.
    FaultSchedule(const std::vector<FaultPlan>& plans, std::uint64_t seed);

    // What is due `now`, counted from the clients' start; ends before beginnings. A plan never overlaps itself.
    std::vector<Change> due(milliseconds now, const Occurrences& occurrences);

    // The ends of all that is in force; nothing is due afterwards.
    std::vector<Change> finish();

    // When to ask again, at the latest: the next time that is known; the largest number when there is none.
    milliseconds next() const;

    // Whether any plan waits for a tracepoint: such plans are to be asked for often.
    bool waits_for_events() const;

 private:
    struct State {
        workloads::Random random;
        std::uint64_t strikes = 0;
        bool in_force = false;
        milliseconds next_begin = never;
        milliseconds end = never;
        std::uint64_t next_occurrence = 0;
        std::vector<std::string> hosts;
    };
    static constexpr milliseconds never = milliseconds::max();

    bool spent(std::size_t plan) const;
    milliseconds gap(std::size_t plan);
    Change begin(std::size_t plan, milliseconds now);
    Change end(std::size_t plan);

    const std::vector<FaultPlan>& plans_;
    std::vector<State> states_;
    bool finished_ = false;
};

}  // namespace lockstep::harness
