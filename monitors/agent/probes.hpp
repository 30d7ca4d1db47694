// The probes of one monitor in LTTng-UST's tracepoint registry: from construction to destruction they run at every hit.
#pragma once

#include <string>
#include <vector>

#include "monitors/runtime/monitor.hpp"

namespace lockstep::monitors {

// Not thread-safe; neither may run inside a probe (it would wait for itself).
class Probes {
 public:
    // Registers every binding's probe. Throws MonitorError, with nothing registered, when the process has a tracepoint
    // of that name with another signature: the registry would take the probe, never call it, and turn later ones away.
    explicit Probes(Monitor& monitor);

    // Unregisters them and waits for a grace period: afterwards no thread is inside one, and the monitor may be
    // unloaded.
    ~Probes();
    Probes(const Probes&) = delete;
    Probes& operator=(const Probes&) = delete;

    // "provider:name" of tracepoints that the process does not have (yet): their probes wait for them.
    std::vector<std::string> absent() const;

    // From close_gates() on, no thread gets past a tracepoint whose monitor has a gate: it sees the event, then waits
    // for ever. For a process that is about to be killed; nothing opens them again, and nothing may be unregistered.
    void add_gates();
    static void close_gates();

 private:
    void unregister(std::size_t count);

    Monitor& monitor_;
};

}  // namespace lockstep::monitors
