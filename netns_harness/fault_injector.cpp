#include "netns_harness/fault_injector.hpp"

#include <time.h>

#include <algorithm>

namespace lockstep::harness {
namespace {

std::uint64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

// How often the counts of events are looked at.
constexpr milliseconds event_period{2};

}  // namespace

FaultInjector::FaultInjector(const RunOptions& options, Observer& observer, Stage& stage, RunResult& result)
    : plans_(options.scenario.faults),
      observer_(observer),
      stage_(stage),
      result_(result),
      schedule_(plans_, options.seed),
      strikes_(plans_.size()),
      touched_(plans_.size()),
      current_(plans_.size()) {}

void FaultInjector::act(milliseconds now) {
    acted_ = now;
    const auto occurrences = [this](const std::string& tracepoint) { return observer_.occurrences(tracepoint); };
    for (const FaultSchedule::Change& due : schedule_.due(now, occurrences)) change(due);
}

void FaultInjector::finish() {
    for (const FaultSchedule::Change& due : schedule_.finish()) change(due);
}

void FaultInjector::report_idle_faults() {
    for (std::size_t plan = 0; plan < plans_.size(); ++plan) {
        const std::string text = plans_[plan].text();
        const bool touches = plans_[plan].what().part != FaultKind::Part::process || plans_[plan].kind == "power_cut";
        if (strikes_[plan] == 0)
            result_.problems.push_back("the fault " + text + " never struck");
        else if (touches && touched_[plan] == 0)
            result_.problems.push_back("the fault " + text + " touched nothing: there was nothing under way");
    }
}

milliseconds FaultInjector::next() const {
    return schedule_.waits_for_events() ? std::min(schedule_.next(), acted_ + event_period) : schedule_.next();
}

std::vector<std::string> FaultInjector::in_force() const {
    std::vector<std::string> texts;
    for (const InjectedFault& fault : result_.injected_faults)
        if (fault.end_ns == 0) texts.push_back(fault.text());
    return texts;
}

void FaultInjector::change(const FaultSchedule::Change& due) {
    if (due.begins) {
        ++strikes_[due.plan];
        current_[due.plan] = result_.injected_faults.size();
        result_.injected_faults.push_back(
            {.kind = plans_[due.plan].kind, .hosts = due.hosts, .begin_ns = monotonic_ns()});
        result_.injected_faults.back().from = plans_[due.plan].from;
        begin(due);
    } else {
        end(due);
        result_.injected_faults[current_[due.plan]].end_ns = monotonic_ns();
    }
}

// The rule's name: a plan is in force at most once.
LinkRule FaultInjector::rule_of(std::size_t plan) const {
    LinkRule rule = plans_[plan].link;
    rule.id = plan + 1;
    return rule;
}

void FaultInjector::begin(const FaultSchedule::Change& change) {
    const FaultPlan& plan = plans_[change.plan];
    InjectedFault& injected = result_.injected_faults[current_[change.plan]];
    for (const std::string& host : change.hosts) {
        if (plan.what().part == FaultKind::Part::link || plan.kind == "vanish")
            stage_.add_link_fault(host, rule_of(change.plan), plan.from);
        if (plan.what().part == FaultKind::Part::connections)
            injected.touched += stage_.reset_connections(host, plan.from);
        // Counted from here: at the end the shim's count is added.
        if (plan.what().part == FaultKind::Part::shim) injected.touched -= stage_.add_shim_fault(host, plan.shim);
        if (plan.kind == "kill" || plan.kind == "vanish") stage_.kill(host);
        if (plan.kind == "power_cut") injected.touched += stage_.cut_power(host);
        if (plan.kind == "restart") stage_.terminate(host);
        if (plan.kind == "stop") stage_.suspend(host);
    }
}

void FaultInjector::end(const FaultSchedule::Change& change) {
    const FaultPlan& plan = plans_[change.plan];
    InjectedFault& injected = result_.injected_faults[current_[change.plan]];
    for (const std::string& host : change.hosts) {
        if (plan.what().part == FaultKind::Part::link || plan.kind == "vanish")
            injected.touched += stage_.remove_link_fault(host, rule_of(change.plan).id);
        if (plan.what().part == FaultKind::Part::shim) injected.touched += stage_.remove_shim_fault(host, plan.shim);
        const bool kills = plan.kind == "kill" || plan.kind == "vanish" || plan.kind == "power_cut";
        if (kills && plan.lasts) stage_.revive(host);
        if (plan.kind == "restart") stage_.revive(host);
        if (plan.kind == "stop") stage_.resume(host);
    }
    touched_[change.plan] += injected.touched;
}

}  // namespace lockstep::harness
