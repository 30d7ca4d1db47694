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

MonitorFeed::MonitorFeed(const std::vector<Monitor*>& monitors) : monitors_(monitors) {
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
}

void MonitorFeed::on_event(std::size_t wanted, const Slot* slots, const Origin& origin) {
    ++events_;
    for (const Receiver& receiver : receivers_[wanted]) receiver.monitor->deliver(receiver.binding, slots, origin);
}

void MonitorFeed::on_loss(const Loss& loss) {
    lost_ += loss.events;
    ++losses_;
    for (Monitor* monitor : monitors_) monitor->lose(loss.events);
}

void MonitorFeed::on_mismatch(std::size_t wanted, const std::string& why) {
    mismatches_.push_back(why);
    for (const Receiver& receiver : receivers_[wanted]) receiver.monitor->lose(0);
}

}  // namespace lockstep::monitors
