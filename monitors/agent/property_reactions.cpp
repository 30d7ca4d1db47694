#include "monitors/agent/property_reactions.hpp"

#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>

namespace lockstep::monitors {

ReactorSet::ReactorSet(const std::vector<std::string>& names) : specifications(names) {
    for (const std::string& specification : specifications) {
        all.push_back(reactors::make_reactor(specification));
        if (all.back()->acts_in_place()) in_place.push_back(all.back().get());
    }
}

void PropertyReactions::remember(const reactors::Report& report) {
    const std::lock_guard hold(mutex_);
    reports_.push_back(reactors::to_json(report));
    if (reports_.size() > remembered_reports) reports_.pop_front();
}

void PropertyReactions::run(const ReactorSet& set, const reactors::Report& report, Tell tell) {
    for (std::size_t i = 0; i < set.all.size(); ++i) {
        std::string failure;
        try {
            (*set.all[i].*tell)(report);
            continue;
        } catch (const std::exception& error) {
            failure = error.what();
        }
        const std::lock_guard hold(mutex_);
        if (failures_++ == 0)
            std::fprintf(stderr, "lockstep: the reactor %s of %s failed: %s\n", set.specifications[i].c_str(),
                         report.monitor.c_str(), failure.c_str());
    }
}

void PropertyReactions::add_to(nlohmann::json& status) const {
    const std::lock_guard hold(mutex_);
    status["reactor_failures"] = failures_;
    status["reports"] = nlohmann::json::array();
    for (const std::string& report : reports_) status["reports"].push_back(nlohmann::json::parse(report));
}

}  // namespace lockstep::monitors
