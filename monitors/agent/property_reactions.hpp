// What becomes of a property's violations, wherever the property runs: its reactors see each report, the last reports
// and the reactors' failures are remembered for the status.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "reactors/reactor.hpp"

namespace lockstep::monitors {

// Replaced as a whole when reactors change.
struct ReactorSet {
    // Throws reactors::ReactorError.
    explicit ReactorSet(const std::vector<std::string>& specifications);

    std::vector<std::string> specifications;
    std::vector<std::unique_ptr<reactors::Reactor>> all;
    std::vector<reactors::Reactor*> in_place;  // those that act in place, too
};

// remember() and run() are called by one thread at a time, add_to() by any.
class PropertyReactions {
 public:
    void remember(const reactors::Report& report);

    // How a reactor is told: &reactors::Reactor::react or …::react_from_outside.
    using Tell = void (reactors::Reactor::*)(const reactors::Report&);
    // A reactor that fails harms neither the others nor the process: failures are counted, the first is told on stderr.
    void run(const ReactorSet& set, const reactors::Report& report, Tell tell);

    // "reactor_failures" and "reports" of a property's status.
    void add_to(nlohmann::json& status) const;

 private:
    static constexpr std::size_t remembered_reports = 16;

    mutable std::mutex mutex_;         // never held while reactors run
    std::deque<std::string> reports_;  // JSON, the last ones
    std::uint64_t failures_ = 0;
};

}  // namespace lockstep::monitors
