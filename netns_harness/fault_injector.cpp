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
    for (std::size_t plan = 0; plan < plans_.size(); ++plan)
        if (strikes_[plan] == 0) result_.problems.push_back("the fault " + plans_[plan].text() + " never struck");
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
    const FaultPlan& plan = plans_[due.plan];
    if (!due.begins) {
        end(plan, due.hosts);
        result_.injected_faults[current_[due.plan]].end_ns = monotonic_ns();
        return;
    }
    ++strikes_[due.plan];
    current_[due.plan] = result_.injected_faults.size();
    result_.injected_faults.push_back({plan.kind, due.hosts, monotonic_ns(), 0});
    begin(plan, due.hosts);
}

void FaultInjector::begin(const FaultPlan& plan, const std::vector<std::string>& hosts) {
    for (const std::string& host : hosts) {
        if (plan.kind == "kill") stage_.kill(host);
        if (plan.kind == "restart") stage_.terminate(host);
        if (plan.kind == "stop") stage_.suspend(host);
    }
}

void FaultInjector::end(const FaultPlan& plan, const std::vector<std::string>& hosts) {
    for (const std::string& host : hosts) {
        if (plan.kind == "kill" && plan.lasts) stage_.revive(host);
        if (plan.kind == "restart") stage_.revive(host);
        if (plan.kind == "stop") stage_.resume(host);
    }
}

}  // namespace lockstep::harness
