// Delivers the events of a source to monitors: the one place where live and offline reading meet the properties.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "monitors/runtime/monitor.hpp"
#include "monitors/trace/event_source.hpp"

namespace lockstep::monitors {

// Asks for every tracepoint that a monitor is bound to, once, however many are bound to it. Loss and undecodable events
// go to the monitors as Monitor::lose. The monitors are borrowed. Called by one reader thread; the accessors after it
// has ended.
class MonitorFeed : public EventHandler {
 public:
    // `counted`: tracepoints, "provider:name", that are counted (see count_of), whether or not a monitor is bound to
    // them.
    explicit MonitorFeed(const std::vector<Monitor*>& monitors, const std::vector<std::string>& counted = {});

    // What the source must be opened with.
    const std::vector<WantedEvent>& wanted() const { return wanted_; }

    // Everything was read: lets invariants be judged up to the latest time.
    void finish();

    void on_event(std::size_t wanted, const Slot* slots, const Origin& origin) override;
    void on_loss(const Loss& loss) override;
    // State invariants: looked at as often as an agent does, by the trace's clock, and at the end of what was read.
    void on_time(std::uint64_t time_ns) override;
    void on_mismatch(std::size_t wanted, const std::string& why) override;

    std::uint64_t events() const { return events_; }
    // Events reported lost, and how many reports there were: one may not know its number.
    std::uint64_t lost() const { return lost_; }
    std::uint64_t losses() const { return losses_; }
    // By the trace's clock, in nanoseconds; 0 when there is none or it is not known.
    std::uint64_t first_event_ns() const { return first_event_ns_; }
    std::uint64_t lost_since_ns() const { return lost_since_ns_; }
    const std::vector<std::string>& mismatches() const { return mismatches_; }

    // How often one of the counted tracepoints was read so far; 0 for others. Any thread.
    std::uint64_t count_of(const std::string& tracepoint) const;

 private:
    struct Receiver {
        Monitor* monitor;
        std::uint32_t binding;
    };

    void count(const std::string& tracepoint);

    std::vector<Monitor*> monitors_;
    std::vector<WantedEvent> wanted_;
    std::vector<std::vector<Receiver>> receivers_;  // of each wanted event
    std::uint64_t events_ = 0;
    std::uint64_t lost_ = 0;
    std::uint64_t losses_ = 0;
    std::uint64_t first_event_ns_ = 0;
    std::uint64_t lost_since_ns_ = 0;
    std::uint64_t time_ns_ = 0;      // the latest
    std::uint64_t advanced_ns_ = 0;  // up to which invariants were looked at
    std::vector<std::string> mismatches_;
    std::map<std::string, std::atomic<std::uint64_t>> counts_;  // of the counted tracepoints
    std::vector<std::atomic<std::uint64_t>*> counter_of_;       // of each wanted event; null: not counted
};

}  // namespace lockstep::monitors
