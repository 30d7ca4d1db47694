// Brings a scenario's faults about while the clients work, and writes down when.
#pragma once

#include "netns_harness/fault_schedule.hpp"
#include "netns_harness/stage.hpp"

namespace lockstep::harness {

// One thread. Borrows everything.
class FaultInjector {
 public:
    FaultInjector(const RunOptions& options, Observer& observer, Stage& stage, RunResult& result);

    // Does what is due `now`, counted from the clients' start.
    void act(milliseconds now);
    // Ends all that is in force; nothing begins afterwards.
    void finish();
    // A fault that never struck is a problem: the run did not show what it was made to show.
    void report_idle_faults();

    // When to act again, at the latest, counted from the clients' start.
    milliseconds next() const;
    std::vector<std::string> in_force() const;

 private:
    void change(const FaultSchedule::Change& change);
    void begin(const FaultSchedule::Change& change);
    void end(const FaultSchedule::Change& change);
    LinkRule rule_of(std::size_t plan) const;

    const std::vector<FaultPlan>& plans_;
    Observer& observer_;
    Stage& stage_;
    RunResult& result_;
    FaultSchedule schedule_;
    std::vector<std::uint64_t> strikes_;  // of each plan
    std::vector<std::uint64_t> touched_;  // by each plan: packets, connections
    std::vector<std::size_t> current_;    // of each plan: its place in the result's injected faults
    milliseconds acted_{0};
};

}  // namespace lockstep::harness
