#include "monitors/live/watched_property.hpp"

#include <nlohmann/json.hpp>

#include "monitors/runtime/summary_json.hpp"
#include "monitors/trace/own_events.hpp"

namespace lockstep::monitors {

WatchedProperty::WatchedProperty(const std::string& file, const InstanceOptions& options,
                                 const std::vector<std::string>& reactors)
    : options_(options), monitor_(Monitor::load(file, options)) {
    fire_own_events(*monitor_);
    set_reactors(reactors);
}

void WatchedProperty::set_reactors(const std::vector<std::string>& specifications) {
    auto set = std::make_shared<ReactorSet>(specifications);
    const std::lock_guard hold(mutex_);
    reactors_.swap(set);
}

void WatchedProperty::pause() {
    interrupted_.store(true);
    monitor_->instance()->pause();
    monitor_->instance()->forget_all();
}

void WatchedProperty::resume() {
    if (!detached()) monitor_->instance()->resume();
}

void WatchedProperty::detach() {
    detached_.store(true);
    interrupted_.store(true);
    monitor_->instance()->pause();
}

void WatchedProperty::set_absent_tracepoints(std::vector<std::string> names) {
    const std::lock_guard hold(mutex_);
    absent_tracepoints_ = std::move(names);
}

nlohmann::json WatchedProperty::status() const {
    nlohmann::json status = to_json(monitor_->summary());
    status["group"] = group_;
    status["changed_source"] = monitor_->changed_source().string();
    status["paused"] = !detached() && monitor_->instance()->paused();
    reactions_.add_to(status);
    const std::lock_guard hold(mutex_);
    status["absent_tracepoints"] = absent_tracepoints_;
    status["reactors"] = reactors_->specifications;
    return status;
}

void WatchedProperty::handle_violations() {
    for (const reactors::Report& report : monitor_->take_violations()) {
        if (told_before_ > 0) {
            --told_before_;
            continue;
        }
        std::shared_ptr<ReactorSet> set;
        {
            const std::lock_guard hold(mutex_);
            set = reactors_;
        }
        reactions_.remember(report);
        reactions_.run(*set, report, &reactors::Reactor::react_from_outside);
    }
}

void WatchedProperty::replace_monitor(std::unique_ptr<Monitor> run) {
    handle_violations();
    told_before_ = monitor_->counters().violations;
    monitor_ = std::move(run);
    handle_violations();
}

}  // namespace lockstep::monitors
