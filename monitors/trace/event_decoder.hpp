// From a babeltrace2 event to slots. What is where in an event is looked up by name once per event class, then by
// index.
#pragma once

#include <babeltrace2/babeltrace.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "monitors/trace/event_source.hpp"

namespace lockstep::monitors {

// In nanoseconds of the trace's own clock, which for LTTng is CLOCK_MONOTONIC: the clock that in-process monitors use.
std::uint64_t snapshot_ns(const bt_clock_snapshot* snapshot);

// Not thread-safe. Keeps a reference to every event class that it has met, so that a class's address stays its
// identity.
class EventDecoder {
 public:
    explicit EventDecoder(std::vector<WantedEvent> wanted);
    ~EventDecoder();
    EventDecoder(const EventDecoder&) = delete;
    EventDecoder& operator=(const EventDecoder&) = delete;

    // `message`: of type event. Calls on_event if it is wanted; on_mismatch at the first event of an undecodable class.
    void decode(const bt_message* message, EventHandler& handler);

 private:
    // Where an integer or string lies in a structure field.
    struct Place {
        std::uint64_t member = 0;
        FieldType type = FieldType::unsigned_integer;
    };

    // A wanted event and where its fields lie, one a slot.
    struct Target {
        std::size_t wanted = 0;
        std::vector<Place> payload;
    };

    // Of one event class. Several targets: one tracepoint was asked for with different fields.
    struct Plan {
        std::vector<Target> targets;
        std::optional<Place> vpid, vtid, net_ns;  // in the common context
        std::optional<Place> cpu;                 // in the packet's context
    };

    const Plan& plan_of(const bt_event* event, EventHandler& handler);
    Plan make_plan(const bt_event* event, EventHandler& handler) const;
    std::optional<Target> make_target(std::size_t wanted, const bt_field* payload, EventHandler& handler) const;
    Origin origin_of(const bt_message* message, const bt_event* event, const Plan& plan) const;

    static std::optional<Place> find_member(const bt_field* structure, const char* name);
    static std::uint64_t read_integer(const bt_field* structure, const std::optional<Place>& place);
    static Slot read_slot(const bt_field* structure, const Place& place);

    std::vector<WantedEvent> wanted_;
    std::unordered_multimap<std::string, std::size_t> names_;  // "provider:tracepoint" → index into wanted_
    std::unordered_map<const bt_event_class*, Plan> plans_;
    const bt_event_class* last_class_ = nullptr;
    const Plan* last_plan_ = nullptr;
    std::vector<Slot> slots_;
};

}  // namespace lockstep::monitors
