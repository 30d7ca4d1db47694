#include "monitors/runtime/violation_line.hpp"

namespace lockstep::monitors {

ViolationLine::ViolationLine(const MonitorDescriptor& descriptor, const MonitorInstance& instance,
                             const ViolationRecord& record) {
    add("lockstep: ");
    add(descriptor.name);
    add(" violated");
    for (std::uint32_t i = 0; i < descriptor.key_count; ++i) {
        add(i == 0 ? " for " : " ");
        add_value(instance, descriptor.keys[i].name, descriptor.keys[i].type, record.key[i]);
    }
    add(": in state ");
    add(descriptor.states[record.state]);
    if (record.event == no_event) {
        add(", its time was over");
    } else {
        const EventDescriptor& event = descriptor.events[record.event];
        add(", event ");
        add(event.name);
        add('(');
        for (std::uint32_t i = 0; i < event.field_count; ++i) {
            if (i != 0) add(", ");
            add_value(instance, event.fields[i].name, event.fields[i].type, record.fields[i]);
        }
        add(") of pid ");
        add_number(record.origin.vpid);
        add(" tid ");
        add_number(record.origin.vtid);
    }
    text_[size_++] = '\n';
}

void ViolationLine::add(const char* text) {
    for (; *text != 0; ++text) add(*text);
}

// One byte is kept for the newline. What a watched program calls its files must not move a terminal's cursor.
void ViolationLine::add(char c) {
    const auto byte = static_cast<unsigned char>(c);
    if (size_ + 1 < sizeof(text_)) text_[size_++] = byte < 0x20 || byte == 0x7f ? '?' : c;
}

void ViolationLine::add_number(std::uint64_t number) {
    char digits[20];
    std::size_t count = 0;
    do {
        digits[count++] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (count > 0) add(digits[--count]);
}

void ViolationLine::add_value(const MonitorInstance& instance, const char* name, FieldType type, std::uint64_t word) {
    add(name);
    add('=');
    const char* text = type == FieldType::string ? instance.text_of(word) : nullptr;
    if (text != nullptr) {
        add('"');
        add(text);
        add('"');
    } else if (type == FieldType::signed_integer && static_cast<std::int64_t>(word) < 0) {
        add('-');
        add_number(0 - word);
    } else {
        add_number(word);
    }
}

}  // namespace lockstep::monitors
