#include "monitors/trace/event_decoder.hpp"

#include <algorithm>
#include <string_view>

namespace lockstep::monitors {
namespace {

std::string_view to_string(FieldType type) {
    switch (type) {
        case FieldType::unsigned_integer:
            return "an unsigned integer";
        case FieldType::signed_integer:
            return "a signed integer";
        case FieldType::string:
            return "a string";
    }
    return "?";
}

// Nothing for what has no place in a slot: arrays, floating point, variants.
std::optional<FieldType> slot_type(bt_field_class_type type) {
    if (bt_field_class_type_is(type, BT_FIELD_CLASS_TYPE_UNSIGNED_INTEGER)) return FieldType::unsigned_integer;
    if (bt_field_class_type_is(type, BT_FIELD_CLASS_TYPE_SIGNED_INTEGER)) return FieldType::signed_integer;
    if (type == BT_FIELD_CLASS_TYPE_STRING) return FieldType::string;
    return std::nullopt;
}

const bt_field* packet_context(const bt_event* event) {
    const bt_stream_class* stream_class = bt_stream_borrow_class_const(bt_event_borrow_stream_const(event));
    if (!bt_stream_class_supports_packets(stream_class)) return nullptr;
    return bt_packet_borrow_context_field_const(bt_event_borrow_packet_const(event));
}

std::uint64_t time_ns(const bt_message* message, const bt_event* event) {
    const bt_stream_class* stream_class = bt_stream_borrow_class_const(bt_event_borrow_stream_const(event));
    if (bt_stream_class_borrow_default_clock_class_const(stream_class) == nullptr) return 0;
    return snapshot_ns(bt_message_event_borrow_default_clock_snapshot_const(message));
}

}  // namespace

std::uint64_t snapshot_ns(const bt_clock_snapshot* snapshot) {
    constexpr std::uint64_t ns_per_s = 1'000'000'000;
    const std::uint64_t cycles = bt_clock_snapshot_get_value(snapshot);
    const std::uint64_t frequency = bt_clock_class_get_frequency(bt_clock_snapshot_borrow_clock_class_const(snapshot));
    if (frequency == ns_per_s || frequency == 0) return cycles;
    return cycles / frequency * ns_per_s + cycles % frequency * ns_per_s / frequency;
}

EventDecoder::EventDecoder(std::vector<WantedEvent> wanted) : wanted_(std::move(wanted)) {
    std::size_t most_fields = 0;
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
        names_.emplace(wanted_[i].provider + ":" + wanted_[i].tracepoint, i);
        most_fields = std::max(most_fields, wanted_[i].fields.size());
    }
    slots_.resize(most_fields);
}

EventDecoder::~EventDecoder() {
    for (const auto& [event_class, plan] : plans_) bt_event_class_put_ref(event_class);
}

void EventDecoder::decode(const bt_message* message, EventHandler& handler) {
    const bt_event* event = bt_message_event_borrow_event_const(message);
    const Plan& plan = plan_of(event, handler);
    if (plan.targets.empty()) return;
    const Origin origin = origin_of(message, event, plan);
    const bt_field* payload = bt_event_borrow_payload_field_const(event);
    for (const Target& target : plan.targets) {
        for (std::size_t i = 0; i < target.payload.size(); ++i) slots_[i] = read_slot(payload, target.payload[i]);
        handler.on_event(target.wanted, slots_.data(), origin);
    }
}

const EventDecoder::Plan& EventDecoder::plan_of(const bt_event* event, EventHandler& handler) {
    const bt_event_class* event_class = bt_event_borrow_class_const(event);
    if (event_class == last_class_) return *last_plan_;
    auto found = plans_.find(event_class);
    if (found == plans_.end()) {
        bt_event_class_get_ref(event_class);
        found = plans_.emplace(event_class, make_plan(event, handler)).first;
    }
    last_class_ = event_class;
    last_plan_ = &found->second;
    return *last_plan_;
}

EventDecoder::Plan EventDecoder::make_plan(const bt_event* event, EventHandler& handler) const {
    Plan plan;
    const char* name = bt_event_class_get_name(bt_event_borrow_class_const(event));
    if (name == nullptr) return plan;
    const bt_field* payload = bt_event_borrow_payload_field_const(event);
    for (auto [place, end] = names_.equal_range(name); place != end; ++place)
        if (auto target = make_target(place->second, payload, handler)) plan.targets.push_back(std::move(*target));
    const bt_field* context = bt_event_borrow_common_context_field_const(event);
    plan.vpid = find_member(context, "vpid");
    plan.vtid = find_member(context, "vtid");
    plan.net_ns = find_member(context, "net_ns");
    plan.cpu = find_member(packet_context(event), "cpu_id");
    return plan;
}

std::optional<EventDecoder::Target> EventDecoder::make_target(std::size_t index, const bt_field* payload,
                                                              EventHandler& handler) const {
    const WantedEvent& wanted = wanted_[index];
    Target target{index, {}};
    for (const WantedField& field : wanted.fields) {
        const std::optional<Place> place = find_member(payload, field.name.c_str());
        if (!place || place->type != field.type) {
            handler.on_mismatch(index, wanted.provider + ":" + wanted.tracepoint + " has no field '" + field.name +
                                           "' that is " + std::string(to_string(field.type)));
            return std::nullopt;
        }
        target.payload.push_back(*place);
    }
    return target;
}

Origin EventDecoder::origin_of(const bt_message* message, const bt_event* event, const Plan& plan) const {
    const bt_field* context = bt_event_borrow_common_context_field_const(event);
    Origin origin{};
    origin.time_ns = time_ns(message, event);
    origin.net_ns = read_integer(context, plan.net_ns);
    origin.vpid = static_cast<std::uint32_t>(read_integer(context, plan.vpid));
    origin.vtid = static_cast<std::uint32_t>(read_integer(context, plan.vtid));
    if (plan.cpu) origin.cpu = static_cast<std::uint32_t>(read_integer(packet_context(event), plan.cpu));
    return origin;
}

std::optional<EventDecoder::Place> EventDecoder::find_member(const bt_field* structure, const char* name) {
    if (structure == nullptr || bt_field_get_class_type(structure) != BT_FIELD_CLASS_TYPE_STRUCTURE)
        return std::nullopt;
    const bt_field_class* field_class = bt_field_borrow_class_const(structure);
    const std::uint64_t members = bt_field_class_structure_get_member_count(field_class);
    for (std::uint64_t i = 0; i < members; ++i) {
        const auto* member = bt_field_class_structure_borrow_member_by_index_const(field_class, i);
        if (std::string_view(bt_field_class_structure_member_get_name(member)) != name) continue;
        const auto type =
            slot_type(bt_field_class_get_type(bt_field_class_structure_member_borrow_field_class_const(member)));
        if (!type) return std::nullopt;
        return Place{i, *type};
    }
    return std::nullopt;
}

std::uint64_t EventDecoder::read_integer(const bt_field* structure, const std::optional<Place>& place) {
    if (!place || place->type == FieldType::string) return 0;
    return read_slot(structure, *place).unsigned_integer;
}

Slot EventDecoder::read_slot(const bt_field* structure, const Place& place) {
    const bt_field* field = bt_field_structure_borrow_member_field_by_index_const(structure, place.member);
    Slot slot{};
    switch (place.type) {
        case FieldType::unsigned_integer:
            slot.unsigned_integer = bt_field_integer_unsigned_get_value(field);
            break;
        case FieldType::signed_integer:
            slot.signed_integer = bt_field_integer_signed_get_value(field);
            break;
        case FieldType::string:
            slot.string = bt_field_string_get_value(field);
            break;
    }
    return slot;
}

}  // namespace lockstep::monitors
