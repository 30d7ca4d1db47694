#include "monitors/trace/declaration_list.hpp"

namespace lockstep::monitors {
namespace {

std::string type_name(const bt_field_class* field_class) {
    const bt_field_class_type type = bt_field_class_get_type(field_class);
    const auto is = [type](bt_field_class_type of) { return bt_field_class_type_is(type, of); };
    if (is(BT_FIELD_CLASS_TYPE_ENUMERATION)) return "enumeration";
    if (is(BT_FIELD_CLASS_TYPE_UNSIGNED_INTEGER))
        return "uint" + std::to_string(bt_field_class_integer_get_field_value_range(field_class));
    if (is(BT_FIELD_CLASS_TYPE_SIGNED_INTEGER))
        return "int" + std::to_string(bt_field_class_integer_get_field_value_range(field_class));
    if (is(BT_FIELD_CLASS_TYPE_STRING)) return "string";
    if (is(BT_FIELD_CLASS_TYPE_REAL)) return "float";
    if (is(BT_FIELD_CLASS_TYPE_BOOL)) return "bool";
    if (is(BT_FIELD_CLASS_TYPE_ARRAY)) return "array";
    if (is(BT_FIELD_CLASS_TYPE_STRUCTURE)) return "structure";
    return "other";
}

}  // namespace

DeclarationList::Key DeclarationList::describe(const bt_event_class* event_class) {
    const char* name = bt_event_class_get_name(event_class);
    Key key{name == nullptr ? "" : name, {}};
    const bt_field_class* payload = bt_event_class_borrow_payload_field_class_const(event_class);
    if (payload == nullptr) return key;
    for (std::uint64_t i = 0; i < bt_field_class_structure_get_member_count(payload); ++i) {
        const auto* member = bt_field_class_structure_borrow_member_by_index_const(payload, i);
        key.second.emplace_back(bt_field_class_structure_member_get_name(member),
                                type_name(bt_field_class_structure_member_borrow_field_class_const(member)));
    }
    return key;
}

void DeclarationList::add(const bt_stream* stream) {
    const bt_stream_class* stream_class = bt_stream_borrow_class_const(stream);
    for (std::uint64_t i = 0; i < bt_stream_class_get_event_class_count(stream_class); ++i)
        counts_.try_emplace(describe(bt_stream_class_borrow_event_class_by_index_const(stream_class, i)), 0);
}

void DeclarationList::count(const bt_event* event) {
    ++counts_[describe(bt_event_borrow_class_const(event))];
}

std::vector<DeclaredEvent> DeclarationList::all() const {
    std::vector<DeclaredEvent> events;
    for (const auto& [key, count] : counts_) events.push_back({key.first, key.second, count});
    return events;
}

}  // namespace lockstep::monitors
