#include "monitors/agent/attached_property.hpp"

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "monitors/own_events/transitions.hpp"
#include "monitors/own_events/violations.hpp"
#include "monitors/runtime/summary_json.hpp"
#include "monitors/runtime/violation_line.hpp"

namespace lockstep::monitors {
namespace {

void sleep_one_ms() {
    const timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
}

// Whose invariants this thread is looking at: a violation that it finds is not a probe's.
thread_local const AttachedProperty* looking_at_time_of = nullptr;

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
    auto set = std::make_unique<ReactorSet>(specifications);
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
    status["changed_source"] = monitor_->changed_source().string();
    status["paused"] = monitor_->instance()->paused();
    status["absent_tracepoints"] = probes_ ? probes_->absent() : std::vector<std::string>{};
    status["reactors"] = reactors_.load(std::memory_order_acquire)->specifications;
    reactions_.add_to(status);
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
        reactions_.remember(report);
        reactions_.run(*reactors_.load(std::memory_order_acquire), report, &reactors::Reactor::react);
    }
    handled_.store(told, std::memory_order_release);
    if (!std::exchange(acts_later_, false)) return;
    for (reactors::Reactor* reactor : reactors_.load(std::memory_order_acquire)->in_place) reactor->act();
}

// In the thread that hit the tracepoint. First the record: what acts in place says what happened. Then, with the record
// on its way to the reaction thread: they act, after the other reactors had their chance.
void AttachedProperty::react_in_place(void* data, const ViolationRecord* record) {
    auto& property = *static_cast<AttachedProperty*>(data);
    const ReactorSet& set = *property.reactors_.load(std::memory_order_acquire);
    if (record != nullptr) {
        property.told_.fetch_add(1, std::memory_order_acq_rel);
        const bool recorded = violations_are_recorded();
        if (set.in_place.empty() && !recorded) return;
        const MonitorDescriptor& descriptor = property.monitor_->descriptor();
        LineText line = violation_line(descriptor, *property.monitor_->instance(), *record);
        if (recorded) fire_violation(descriptor, *record, line);
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
