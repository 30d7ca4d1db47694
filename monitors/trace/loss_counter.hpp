// What a trace says about events that are not in it.
#pragma once

#include <babeltrace2/babeltrace.h>

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "monitors/trace/event_source.hpp"

namespace lockstep::monitors {

// What a packet reports as discarded is the difference of its stream's counter to the packet before. When a buffer is
// flushed while it overflows, LTTng-UST 2.13 now and then writes a counter that is ahead, and the next one is smaller:
// a negative difference. It takes back what was reported too early, so the sum over a stream is right.
class LossCounter {
 public:
    // `message`: of type discarded events. The loss that is new; nothing when it only takes back or makes up for an
    // earlier one.
    std::optional<Loss> discarded_events(const bt_message* message);

    // `message`: of type discarded packets (overwrite mode). How many events were in them nobody knows.
    static Loss discarded_packets(const bt_message* message);

 private:
    std::unordered_map<const bt_stream*, std::uint64_t> ahead_;  // reported too early, of each stream
};

}  // namespace lockstep::monitors
