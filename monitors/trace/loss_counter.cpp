#include "monitors/trace/loss_counter.hpp"

#include <algorithm>

#include "monitors/trace/event_decoder.hpp"

namespace lockstep::monitors {

std::optional<Loss> LossCounter::discarded_events(const bt_message* message) {
    Loss loss;
    const bt_stream* stream = bt_message_discarded_events_borrow_stream_const(message);
    if (bt_stream_class_discarded_events_have_default_clock_snapshots(bt_stream_borrow_class_const(stream))) {
        loss.begin_ns = snapshot_ns(bt_message_discarded_events_borrow_beginning_default_clock_snapshot_const(message));
        loss.end_ns = snapshot_ns(bt_message_discarded_events_borrow_end_default_clock_snapshot_const(message));
    }
    std::uint64_t count = 0;
    if (bt_message_discarded_events_get_count(message, &count) != BT_PROPERTY_AVAILABILITY_AVAILABLE) return loss;

    std::uint64_t& ahead = ahead_[stream];
    if (static_cast<std::int64_t>(count) < 0) {
        ahead += 0 - count;
        return std::nullopt;
    }
    const std::uint64_t made_up = std::min(ahead, count);
    ahead -= made_up;
    loss.events = count - made_up;
    if (loss.events == 0) return std::nullopt;
    return loss;
}

Loss LossCounter::discarded_packets(const bt_message* message) {
    Loss loss;
    const bt_stream* stream = bt_message_discarded_packets_borrow_stream_const(message);
    if (bt_stream_class_discarded_packets_have_default_clock_snapshots(bt_stream_borrow_class_const(stream))) {
        loss.begin_ns =
            snapshot_ns(bt_message_discarded_packets_borrow_beginning_default_clock_snapshot_const(message));
        loss.end_ns = snapshot_ns(bt_message_discarded_packets_borrow_end_default_clock_snapshot_const(message));
    }
    return loss;
}

}  // namespace lockstep::monitors
