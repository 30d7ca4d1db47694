// The host's view of a compiled property: load it, deliver events to it, ask for the verdict. Live and offline
// verification deliver through this; in-process, the agent registers the property's own probes on the same instance.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "monitors/runtime/descriptor.hpp"
#include "reactors/report.hpp"

namespace lockstep::monitors {

// A property that cannot be loaded: no such file, not a compiled property, another ABI version, an automaton that has
// changed since, no memory.
class MonitorError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

enum class Verdict { ok, violated, inconclusive };

std::string_view to_string(Verdict verdict);

// A context outside a final state when the run ended.
struct PendingContext {
    std::vector<reactors::NamedValue> keys;
    std::string state;
};

struct EdgeCoverage {
    std::string from_state;
    std::string event;
    std::string to_state;
    std::uint32_t line = 0;
    std::uint64_t taken = 0;
};

// How many contexts are in a state. A context that is not known to be in one is in none.
struct StateCount {
    std::string state;
    std::uint64_t contexts = 0;
};

// Everything that a table or a JSON object about a run needs.
struct Summary {
    std::string name;
    Verdict verdict = Verdict::inconclusive;
    std::vector<std::string> reasons;  // why inconclusive, in words; empty otherwise
    Counters counters;
    std::vector<EdgeCoverage> edges;
    std::vector<StateCount> states;          // in the order of the automaton
    std::vector<std::string> unseen_events;  // a property that saw nothing proves nothing
    std::vector<PendingContext> pending;     // at most the number asked for
};

// One run of one property. deliver() may be called from several threads; everything else from one thread at a time, at
// any time. Destroy it only when nobody delivers any more.
class Monitor {
 public:
    // Loads `file`, a shared object made by `lockstep compile` or lockstep_add_monitor. Throws MonitorError, also when
    // changed_source() would tell of a file: what is judged is what the author can read.
    static std::unique_ptr<Monitor> load(const std::filesystem::path& file, const InstanceOptions& options = {});

    // Another run of the same property, which knows nothing of this one. Throws MonitorError.
    std::unique_ptr<Monitor> another(const InstanceOptions& options) const;

    ~Monitor();
    Monitor(const Monitor&) = delete;
    Monitor& operator=(const Monitor&) = delete;

    const MonitorDescriptor& descriptor() const { return *descriptor_; }
    std::string_view name() const { return descriptor_->name; }
    // The automaton, as its author wrote it.
    std::string_view dot_source() const { return descriptor_->dot_source; }

    // The automaton's file, when it now says something else than what was compiled; empty otherwise, and when there is
    // none: beside the shared object or, for an installed one, in PREFIX/share/lockstep/dot. Reads the file.
    std::filesystem::path changed_source() const;

    // The tracepoints it listens to; an index into this is the `binding` of deliver().
    std::span<const BindingDescriptor> bindings() const;
    std::optional<std::uint32_t> find_binding(std::string_view provider, std::string_view tracepoint) const;

    // One hit of the binding's tracepoint. `slots` holds the binding's field_count arguments, in its fields' order.
    void deliver(std::uint32_t binding, const Slot* slots, const Origin& origin) {
        descriptor_->deliver(instance_, binding, slots, origin);
    }

    // The tracer lost `count` events (0: an unknown number) that might have been of any context: all contexts are
    // desynchronised and wait for a start event, and the verdict can no longer be ok.
    void lose(std::uint64_t count);

    // Time passes without an event: states whose invariant is over by `time_ns` (of the events' clock) are violations.
    void advance(std::uint64_t time_ns);

    Counters counters() const;
    Verdict verdict() const;
    Summary summary(std::size_t pending_limit = 100) const;

    // The reports of violations since the last call, oldest first; at most 256 wait, more are counted as
    // reports_dropped.
    std::vector<reactors::Report> take_violations();

    // What the agent passes to a probe as its data.
    MonitorInstance* instance() { return instance_; }

 private:
    struct Library;
    static std::unique_ptr<Monitor> make(std::shared_ptr<Library> library, const MonitorDescriptor& descriptor,
                                         const InstanceOptions& options);
    Monitor(std::shared_ptr<Library> library, const MonitorDescriptor* descriptor, MonitorInstance* instance);

    std::shared_ptr<Library> library_;
    const MonitorDescriptor* descriptor_;
    MonitorInstance* instance_;
};

// Where lockstep's own compiled properties lie: `../lib/lockstep/monitors` beside the running program's folder.
std::filesystem::path monitor_directory();

// `property` is a path to a shared object, or the name of one in monitor_directory(). Throws MonitorError when there is
// none.
std::filesystem::path find_monitor(const std::string& property);

}  // namespace lockstep::monitors
