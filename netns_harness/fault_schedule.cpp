#include "netns_harness/fault_schedule.hpp"

#include <algorithm>

namespace lockstep::harness {

FaultSchedule::FaultSchedule(const std::vector<FaultPlan>& plans, std::uint64_t seed) : plans_(plans) {
    for (std::size_t plan = 0; plan < plans_.size(); ++plan) {
        states_.push_back({.random = workloads::Random(seed, plan + 1), .hosts = {}});
        if (plans_[plan].at) states_[plan].next_begin = *plans_[plan].at;
        if (plans_[plan].every) states_[plan].next_begin = gap(plan);
        states_[plan].next_occurrence = plans_[plan].occurrences;
    }
}

bool FaultSchedule::spent(std::size_t plan) const {
    return plans_[plan].times != 0 && states_[plan].strikes >= plans_[plan].times;
}

milliseconds FaultSchedule::gap(std::size_t plan) {
    const auto mean = static_cast<std::uint64_t>(plans_[plan].every->count());
    return milliseconds(mean / 2 + states_[plan].random.below(mean + 1));
}

FaultSchedule::Change FaultSchedule::begin(std::size_t plan, milliseconds now) {
    State& state = states_[plan];
    ++state.strikes;
    state.next_begin = never;
    state.hosts = plans_[plan].on;
    if (plans_[plan].pick_one) state.hosts = {state.hosts[state.random.below(state.hosts.size())]};
    state.in_force = true;
    state.end = plans_[plan].lasts ? now + *plans_[plan].lasts : never;
    return {plan, true, state.hosts};
}

FaultSchedule::Change FaultSchedule::end(std::size_t plan) {
    State& state = states_[plan];
    state.in_force = false;
    state.end = never;
    return {plan, false, state.hosts};
}

std::vector<FaultSchedule::Change> FaultSchedule::due(milliseconds now, const Occurrences& occurrences) {
    std::vector<Change> changes;
    if (finished_) return changes;
    for (std::size_t plan = 0; plan < plans_.size(); ++plan)
        if (states_[plan].in_force && states_[plan].end <= now) {
            changes.push_back(end(plan));
            if (plans_[plan].every && !spent(plan)) states_[plan].next_begin = now + gap(plan);
        }
    for (std::size_t plan = 0; plan < plans_.size(); ++plan) {
        State& state = states_[plan];
        if (state.in_force || spent(plan)) continue;
        bool strikes = state.next_begin <= now;
        if (!plans_[plan].after.empty()) {
            const std::uint64_t seen = occurrences(plans_[plan].after);
            strikes = seen >= state.next_occurrence;
            if (strikes) state.next_occurrence = seen + plans_[plan].occurrences;
        }
        if (strikes) changes.push_back(begin(plan, now));
    }
    return changes;
}

std::vector<FaultSchedule::Change> FaultSchedule::finish() {
    finished_ = true;
    std::vector<Change> changes;
    for (std::size_t plan = 0; plan < plans_.size(); ++plan)
        if (states_[plan].in_force) changes.push_back(end(plan));
    return changes;
}

milliseconds FaultSchedule::next() const {
    milliseconds earliest = never;
    if (finished_) return earliest;
    for (const State& state : states_) earliest = std::min({earliest, state.next_begin, state.end});
    return earliest;
}

bool FaultSchedule::waits_for_events() const {
    return std::ranges::any_of(plans_, [](const FaultPlan& plan) { return !plan.after.empty(); });
}

}  // namespace lockstep::harness
