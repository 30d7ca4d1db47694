// Deliberate faults: named places in the server that do the wrong thing once in a while, so that a property that never
// finds anything is noticed. Off unless asked for by name, announced loudly on stderr, repeatable from a seed. Base
// layer.
//
//     static Fault double_grant{"double_grant", "NLM grants a lock that conflicts with one that is held"};
//     if (conflict && !double_grant.strikes()) return NLM4_DENIED;
//
// A fault is declared where it acts; nothing lists it elsewhere.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nfs_server/base/result.hpp"

namespace lockstep::server {

// One deliberate fault. Construct at namespace scope only: it is known to Fault::all() from then on and lives as long
// as the process, as `name` and `summary` must.
class Fault {
 public:
    // one_in: how rare a strike is; each call of strikes() says yes with probability 1/one_in (at least 1).
    Fault(const char* name, const char* summary, uint32_t one_in = 16);
    Fault(const Fault&) = delete;
    Fault& operator=(const Fault&) = delete;

    // True when the caller shall do the wrong thing now. Always false while off: one relaxed load. Any thread.
    bool strikes() { return enabled_.load(std::memory_order_relaxed) && draw(); }

    const char* name() const { return name_; }
    const char* summary() const { return summary_; }
    bool enabled() const { return enabled_.load(std::memory_order_relaxed); }
    // How often it has struck. Any thread.
    uint64_t strikes_count() const { return strikes_count_.load(std::memory_order_relaxed); }

    // Turns it on, with the choices that `seed` gives, or off. A fault that is turned on again starts its choices anew.
    void enable(uint64_t seed);
    void disable() { enabled_.store(false, std::memory_order_relaxed); }

    // Every fault of the program, by name.
    static std::vector<Fault*> all();

 private:
    bool draw();

    const char* name_;
    const char* summary_;
    uint32_t one_in_;
    std::atomic<bool> enabled_{false};
    std::atomic<uint64_t> seed_{0};
    std::atomic<uint64_t> draws_count_{0};
    std::atomic<uint64_t> strikes_count_{0};
};

// From now on each strike of any fault is appended to the file `path`, made if it is missing, as one JSON line,
// {"fault": NAME, "time_ns": CLOCK_MONOTONIC}: who runs the server sees whether and when a fault did what it is for,
// also after the server was killed. Once in a process, before threads start. Error: a message with the path and the
// reason.
Result<void, std::string> log_strikes_to(const std::string& path);

// Turns the named fault on and announces it on stderr. Error: a message that names the faults there are.
Result<void, std::string> enable_fault(std::string_view name, uint64_t seed);

}  // namespace lockstep::server
