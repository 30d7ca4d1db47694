#include "monitors/agent/attached_property.hpp"

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "monitors/own_events/transitions.hpp"
#include "monitors/runtime/summary_json.hpp"
#include "monitors/runtime/violation_line.hpp"
#include "tracepoints/lockstep.tp"

namespace lockstep::monitors {
namespace {

void sleep_one_ms() {
    const timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
}

// Whose invariants this thread is looking at: a violation that it finds is not a probe's.
thread_local const AttachedProperty* looking_at_time_of = nullptr;

// For who records with LTTng: in the thread that broke the property, after the event.
void fire(const MonitorDescriptor& descriptor, const ViolationRecord& record, LineText& line) {
    lttng_ust_do_tracepoint(lockstep, violation, descriptor.name, descriptor.states[record.state],
                            record.event == no_event ? "" : descriptor.events[record.event].name, line.text());
}

}  // namespace

std::uint64_t monotonic_ns() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

AttachedProperty::AttachedProperty(const std::string& file, const InstanceOptions& options,
                                   const std::vector<std::string>& specifications, int wake)
    : monitor_(Monitor::load(file, options)), wake_(wake) {
    set_reactors(specifications);
    fire_transitions(*instance(), monitor_->descriptor());
    instance()->react_in_place(&AttachedProperty::react_in_place, this);
    // Events count from the moment when all probes are there.
    instance()->pause();
    probes_.emplace(*monitor_);
    instance()->resume();
}

AttachedProperty::~AttachedProperty() {
    if (probes_) detach();
}

void AttachedProperty::set_reactors(const std::vector<std::string>& specifications) {
    auto set = std::make_unique<Reactors>();
    set->specifications = specifications;
    for (const std::string& specification : specifications) {
        set->all.push_back(reactors::make_reactor(specification));
        if (set->all.back()->acts_in_place()) set->in_place.push_back(set->all.back().get());
    }
    const std::lock_guard hold(changing_);
    reactors_.store(set.get(), std::memory_order_release);
    reactor_sets_.push_back(std::move(set));
}

void AttachedProperty::pause() {
    instance()->pause();
    instance()->forget_all();
}

// A probe that is inside when pause() is called sets its last marks before it leaves: is_quiet() sees them, and with
// them all that the probe wrote. Unregistering waits for such probes by itself; waiting here first tells tools that
// know no RCU.
void AttachedProperty::detach() {
    instance()->pause();
    for (int turn = 0; turn < 1000 && !instance()->is_quiet(); ++turn) sleep_one_ms();
    probes_.reset();
    handle_violations();
}

nlohmann::json AttachedProperty::status() const {
    nlohmann::json status = to_json(monitor_->summary());
    status["group"] = group_;
    status["paused"] = monitor_->instance()->paused();
    status["absent_tracepoints"] = probes_ ? probes_->absent() : std::vector<std::string>{};
    status["reactors"] = reactors_.load(std::memory_order_acquire)->specifications;
    const std::lock_guard hold(reports_mutex_);
    status["reactor_failures"] = reactor_failures_;
    status["reports"] = nlohmann::json::array();
    for (const std::string& report : reports_) status["reports"].push_back(nlohmann::json::parse(report));
    return status;
}

void AttachedProperty::handle_violations() {
    const std::lock_guard hold(handling_);
    if (!instance()->paused()) {
        looking_at_time_of = this;
        monitor_->advance(monotonic_ns());
        looking_at_time_of = nullptr;
    }
    const std::uint64_t told = told_.load(std::memory_order_acquire);
    for (const reactors::Report& report : monitor_->take_violations()) {
        {
            const std::lock_guard hold_reports(reports_mutex_);
            reports_.push_back(reactors::to_json(report));
            if (reports_.size() > remembered_reports) reports_.pop_front();
        }
        run_reactors(report);
    }
    handled_.store(told, std::memory_order_release);
    if (!std::exchange(acts_later_, false)) return;
    for (reactors::Reactor* reactor : reactors_.load(std::memory_order_acquire)->in_place) reactor->act();
}

// A reactor that fails harms neither the others nor the process.
void AttachedProperty::run_reactors(const reactors::Report& report) {
    const Reactors& set = *reactors_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < set.all.size(); ++i) {
        std::string failure;
        try {
            set.all[i]->react(report);
            continue;
        } catch (const std::exception& error) {
            failure = error.what();
        }
        const std::lock_guard hold(reports_mutex_);
        if (reactor_failures_++ == 0)
            std::fprintf(stderr, "lockstep: the reactor %s of %s failed: %s\n", set.specifications[i].c_str(),
                         report.monitor.c_str(), failure.c_str());
    }
}

// In the thread that hit the tracepoint. First the record: what acts in place says what happened. Then, with the record
// on its way to the reaction thread: they act, after the other reactors had their chance.
void AttachedProperty::react_in_place(void* data, const ViolationRecord* record) {
    auto& property = *static_cast<AttachedProperty*>(data);
    const Reactors& set = *property.reactors_.load(std::memory_order_acquire);
    if (record != nullptr) {
        property.told_.fetch_add(1, std::memory_order_acq_rel);
        const bool recorded = lttng_ust_tracepoint_enabled(lockstep, violation);
        if (set.in_place.empty() && !recorded) return;
        const MonitorDescriptor& descriptor = property.monitor_->descriptor();
        LineText line = violation_line(descriptor, *property.monitor_->instance(), *record);
        if (recorded) fire(descriptor, *record, line);
        line.end_line();
        for (reactors::Reactor* reactor : set.in_place) reactor->tell(line.text(), line.size());
        return;
    }
    // Time alone: no instruction is to be held back, and the other reactors run in this very thread.
    if (looking_at_time_of == &property) {
        property.acts_later_ = true;
        return;
    }
    const int saved_errno = errno;
    const std::uint64_t one = 1;
    (void)!write(property.wake_, &one, sizeof(one));  // full: the reaction thread is awake anyway
    errno = saved_errno;
    if (set.in_place.size() != set.all.size()) property.wait_for_reactors();
    for (reactors::Reactor* reactor : set.in_place) reactor->act();
}

// Only where something acts in place: the process is about to stop, so a second of waiting does no harm.
void AttachedProperty::wait_for_reactors() const {
    if (reactors_.load(std::memory_order_acquire)->in_place.empty()) return;
    const std::uint64_t told = told_.load(std::memory_order_acquire);
    for (int turn = 0; turn < 1000 && handled_.load(std::memory_order_acquire) < told; ++turn) sleep_one_ms();
}

}  // namespace lockstep::monitors
