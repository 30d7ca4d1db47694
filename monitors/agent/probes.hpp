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

 private:
    void unregister(std::size_t count);

    Monitor& monitor_;
};

}  // namespace lockstep::monitors
