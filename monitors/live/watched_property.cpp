#include "monitors/live/watched_property.hpp"

#include <dlfcn.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "monitors/own_events/outside.hpp"
#include "monitors/runtime/summary_json.hpp"

namespace lockstep::monitors {
namespace {

// A function of the library of Lockstep's own events, which is never closed: LTTng-UST has threads in it.
template <class Function>
Function* own_event(const char* name) {
    const auto program = std::filesystem::read_symlink("/proc/self/exe");
    const auto library = program.parent_path().parent_path() / "lib" / "liblockstep_outside_events.so";
    void* const loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* const found = loaded == nullptr ? nullptr : dlsym(loaded, name);
    if (found == nullptr) throw MonitorError(std::string("cannot load what fires Lockstep's own events: ") + dlerror());
    return reinterpret_cast<Function*>(found);
}

}  // namespace

WatchedProperty::WatchedProperty(const std::string& file, const InstanceOptions& options,
                                 const std::vector<std::string>& reactors)
    : monitor_(Monitor::load(file, options)),
      record_violation_(own_event<decltype(lockstep_record_violation)>("lockstep_record_violation")) {
    own_event<decltype(lockstep_fire_transitions)>("lockstep_fire_transitions")(*monitor_->instance(),
                                                                                monitor_->descriptor());
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
    status["group"] = group_;
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
        record_violation_(report);
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
