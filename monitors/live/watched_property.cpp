#include "monitors/live/watched_property.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "monitors/runtime/summary_json.hpp"
#include "tracepoints/lockstep.tp"

namespace lockstep::monitors {
namespace {

// For who records with LTTng, in this process.
void fire(const reactors::Report& report) {
    std::string description = reactors::to_text(report);
    description.resize(std::min<std::size_t>(description.find('\n'), 1023));
    lttng_ust_do_tracepoint(lockstep, violation, report.monitor.c_str(), report.state.c_str(), report.event.c_str(),
                            description.c_str());
}

}  // namespace

WatchedProperty::WatchedProperty(const std::string& file, const InstanceOptions& options,
                                 const std::vector<std::string>& reactors)
    : monitor_(Monitor::load(file, options)) {
    set_reactors(reactors);
}

void WatchedProperty::set_reactors(const std::vector<std::string>& specifications) {
    auto set = std::make_shared<Reactors>();
    set->specifications = specifications;
    for (const std::string& specification : specifications) set->all.push_back(reactors::make_reactor(specification));
    const std::lock_guard hold(mutex_);
    reactors_.swap(set);
}

void WatchedProperty::pause() {
    monitor_->instance()->pause();
    monitor_->instance()->forget_all();
}

void WatchedProperty::resume() {
    if (!detached()) monitor_->instance()->resume();
}

void WatchedProperty::detach() {
    detached_.store(true);
    monitor_->instance()->pause();
}

void WatchedProperty::set_absent_tracepoints(std::vector<std::string> names) {
    const std::lock_guard hold(mutex_);
    absent_tracepoints_ = std::move(names);
}

nlohmann::json WatchedProperty::status() const {
    nlohmann::json status = to_json(monitor_->summary());
    status["paused"] = !detached() && monitor_->instance()->paused();
    const std::lock_guard hold(mutex_);
    status["absent_tracepoints"] = absent_tracepoints_;
    status["reactors"] = reactors_->specifications;
    status["reactor_failures"] = reactor_failures_;
    status["reports"] = nlohmann::json::array();
    for (const std::string& report : reports_) status["reports"].push_back(nlohmann::json::parse(report));
    return status;
}

void WatchedProperty::handle_violations() {
    for (const reactors::Report& report : monitor_->take_violations()) {
        std::shared_ptr<Reactors> set;
        {
            const std::lock_guard hold(mutex_);
            reports_.push_back(reactors::to_json(report));
            if (reports_.size() > remembered_reports) reports_.pop_front();
            set = reactors_;
        }
        if (lttng_ust_tracepoint_enabled(lockstep, violation)) fire(report);
        run(*set, report);
    }
}

void WatchedProperty::run(Reactors& set, const reactors::Report& report) {
    for (std::size_t i = 0; i < set.all.size(); ++i) {
        std::string failure;
        try {
            set.all[i]->react_from_outside(report);
            continue;
        } catch (const std::exception& error) {
            failure = error.what();
        }
        const std::lock_guard hold(mutex_);
        if (reactor_failures_++ == 0)
            std::fprintf(stderr, "lockstep: the reactor %s of %s failed: %s\n", set.specifications[i].c_str(),
                         report.monitor.c_str(), failure.c_str());
    }
}

}  // namespace lockstep::monitors
