#include "monitors/trace/monitor_feed.hpp"

#include <algorithm>

namespace lockstep::monitors {
namespace {

WantedEvent wanted_event(const BindingDescriptor& binding) {
    WantedEvent event{binding.provider, binding.tracepoint, {}};
    for (std::uint32_t i = 0; i < binding.field_count; ++i)
        event.fields.push_back({binding.fields[i].name, binding.fields[i].type});
    return event;
}

}  // namespace

MonitorFeed::MonitorFeed(const std::vector<Monitor*>& monitors, const std::vector<std::string>& counted)
    : monitors_(monitors) {
    for (Monitor* monitor : monitors_) {
        const auto bindings = monitor->bindings();
        for (std::uint32_t binding = 0; binding < bindings.size(); ++binding) {
            const WantedEvent event = wanted_event(bindings[binding]);
            const auto place = std::ranges::find(wanted_, event);
            const std::size_t index = static_cast<std::size_t>(place - wanted_.begin());
            if (place == wanted_.end()) {
                wanted_.push_back(event);
                receivers_.emplace_back();
            }
            receivers_[index].push_back({monitor, binding});
        }
    }
    counter_of_.resize(wanted_.size(), nullptr);
    for (const std::string& tracepoint : counted) count(tracepoint);
}

// Of several wanted events of one tracepoint, one counts.
void MonitorFeed::count(const std::string& tracepoint) {
    const std::size_t colon = tracepoint.find(':');
    const std::string provider = tracepoint.substr(0, colon);
    const std::string name = colon == std::string::npos ? "" : tracepoint.substr(colon + 1);
    std::atomic<std::uint64_t>& counter = counts_[tracepoint];
    const auto found = std::ranges::find_if(
        wanted_, [&](const WantedEvent& event) { return event.provider == provider && event.tracepoint == name; });
    const auto index = static_cast<std::size_t>(found - wanted_.begin());
    if (found == wanted_.end()) {
        wanted_.push_back({provider, name, {}});
        receivers_.emplace_back();
        counter_of_.push_back(nullptr);
    }
    counter_of_[index] = &counter;
}

std::uint64_t MonitorFeed::count_of(const std::string& tracepoint) const {
    const auto found = counts_.find(tracepoint);
    return found == counts_.end() ? 0 : found->second.load(std::memory_order_relaxed);
}

void MonitorFeed::on_event(std::size_t wanted, const Slot* slots, const Origin& origin) {
    ++events_;
    if (first_event_ns_ == 0) first_event_ns_ = origin.time_ns;
    on_time(origin.time_ns);
    if (counter_of_[wanted] != nullptr) counter_of_[wanted]->fetch_add(1, std::memory_order_relaxed);
    for (const Receiver& receiver : receivers_[wanted]) receiver.monitor->deliver(receiver.binding, slots, origin);
}

void MonitorFeed::on_loss(const Loss& loss) {
    lost_ += loss.events;
    ++losses_;
    if (lost_since_ns_ == 0) lost_since_ns_ = loss.begin_ns;
    for (Monitor* monitor : monitors_) monitor->lose(loss.events);
}

// An invariant that is over is also found out by the context's next event, so how often this is done changes when a
// violation is told, and never whether.
void MonitorFeed::on_time(std::uint64_t time_ns) {
    constexpr std::uint64_t tick_ns = 10'000'000;
    if (time_ns <= time_ns_) return;
    time_ns_ = time_ns;
    if (advanced_ns_ != 0 && time_ns < advanced_ns_ + tick_ns) return;
    finish();
}

void MonitorFeed::finish() {
    if (time_ns_ == advanced_ns_) return;
    advanced_ns_ = time_ns_;
    for (Monitor* monitor : monitors_) monitor->advance(time_ns_);
}

void MonitorFeed::on_mismatch(std::size_t wanted, const std::string& why) {
    mismatches_.push_back(why);
    for (const Receiver& receiver : receivers_[wanted]) receiver.monitor->lose(0);
}

}  // namespace lockstep::monitors
