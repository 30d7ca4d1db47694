// One property inside the watched process: its monitor, its probes, its reactors.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "monitors/agent/probes.hpp"
#include "monitors/agent/property_reactions.hpp"
#include "monitors/runtime/instance.hpp"
#include "monitors/runtime/monitor.hpp"

namespace lockstep::monitors {

// CLOCK_MONOTONIC.
std::uint64_t monotonic_ns();

// Threads: the control thread attaches, steers and detaches; the reaction thread calls handle_violations(); probes call
// react_in_place only, which takes no lock.
class AttachedProperty {
 public:
    // `wake`: an eventfd that tells the reaction thread of new violations. From the return on, every event is seen.
    // Throws MonitorError or reactors::ReactorError; nothing is attached then.
    AttachedProperty(const std::string& file, const InstanceOptions& options, const std::vector<std::string>& reactors,
                     int wake);
    ~AttachedProperty();
    AttachedProperty(const AttachedProperty&) = delete;
    AttachedProperty& operator=(const AttachedProperty&) = delete;

    std::string name() const { return std::string(monitor_->name()); }
    MonitorInstance* instance() { return monitor_->instance(); }

    // Throws reactors::ReactorError; the former reactors then stay.
    void set_reactors(const std::vector<std::string>& specifications);

    // What it was attached as a part of; told by status(). Before anybody asks.
    void set_group(std::string group) { group_ = std::move(group); }

    void pause();
    void resume() { instance()->resume(); }

    // Detaches the probes and lets the reactors see what is left. What remains is to ask for status() and to destroy.
    void detach();

    // Probes::add_gates().
    void add_gates() { probes_->add_gates(); }
    // Whether no thread is inside a probe at this moment.
    bool is_quiet() const { return monitor_->instance()->is_quiet(); }

    nlohmann::json status() const;

    // Lets time pass for state invariants, turns waiting violations into reports and hands these to the reactors.
    void handle_violations();

 private:
    static void react_in_place(void* data, const ViolationRecord* record);
    void wait_for_reactors() const;

    std::unique_ptr<Monitor> monitor_;
    std::string group_;
    std::optional<Probes> probes_;
    const int wake_;
    std::mutex changing_;  // reactor_sets_ grows; never held while reactors run
    // A probe may still be using former ones, so they live until the end.
    std::vector<std::unique_ptr<ReactorSet>> reactor_sets_;
    std::atomic<ReactorSet*> reactors_{nullptr};
    std::atomic<std::uint64_t> told_{0};     // violations handed over by probes
    std::atomic<std::uint64_t> handled_{0};  // and those that all reactors have seen

    std::mutex handling_;      // one thread takes violations and runs reactors
    bool acts_later_ = false;  // a state's time was over; held with handling_
    PropertyReactions reactions_;
};

}  // namespace lockstep::monitors
