// A property that is verified from outside, in this process: its monitor and its reactors. The counterpart of the
// agent's AttachedProperty, with the same status.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "monitors/agent/property_reactions.hpp"
#include "monitors/runtime/instance.hpp"
#include "monitors/runtime/monitor.hpp"

namespace lockstep::monitors {

// Threads: the reader delivers to monitor(); one thread calls handle_violations(); any calls the rest.
class WatchedProperty {
 public:
    // Throws MonitorError or reactors::ReactorError.
    WatchedProperty(const std::string& file, const InstanceOptions& options, const std::vector<std::string>& reactors);

    Monitor& monitor() { return *monitor_; }
    std::string name() const { return std::string(monitor_->name()); }

    // Throws reactors::ReactorError; the former reactors then stay. Does not wait for one that runs.
    void set_reactors(const std::vector<std::string>& specifications);
    // Contexts are forgotten, so that resuming waits for start events.
    void pause();
    void resume();
    // From now on no event is looked at, and neither is the time; the verdict is final.
    void detach();
    bool detached() const { return detached_.load(); }

    // What it was attached as a part of; told by status(). Before anybody asks.
    void set_group(std::string group) { group_ = std::move(group); }

    // "provider:tracepoint" of bindings that no watched program offered when it was looked.
    void set_absent_tracepoints(std::vector<std::string> names);

    // As of an agent's property (monitors/README.md).
    nlohmann::json status() const;

    // Hands waiting violations to the reactors. What they fail in is counted, and the first failure is told.
    void handle_violations();

    // It was paused or detached at some time, so it has not judged everything that was recorded.
    bool interrupted() const { return interrupted_.load(); }
    // A monitor of the same property, with the same options, that knows nothing: for everything to be read again.
    std::unique_ptr<Monitor> another_run() const { return monitor_->another(options_); }
    // Another run, which has read everything, takes the monitor's place. Reactors are told of violations beyond those
    // that they have seen. Needs the object to itself.
    void replace_monitor(std::unique_ptr<Monitor> run);

 private:
    const InstanceOptions options_;
    std::unique_ptr<Monitor> monitor_;
    std::uint64_t told_before_ = 0;  // violations, of those that will be seen again
    std::string group_;
    PropertyReactions reactions_;
    std::atomic<bool> detached_{false};
    std::atomic<bool> interrupted_{false};
    mutable std::mutex mutex_;  // everything below; never held while reactors run
    std::shared_ptr<ReactorSet> reactors_;
    std::vector<std::string> absent_tracepoints_;
};

}  // namespace lockstep::monitors
