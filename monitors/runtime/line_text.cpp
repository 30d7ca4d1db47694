#include "monitors/runtime/line_text.hpp"

namespace lockstep::monitors {

void LineText::add(const char* text) {
    for (; *text != 0; ++text) add(*text);
}

void LineText::add(char c) {
    const auto byte = static_cast<unsigned char>(c);
    if (size_ + 2 < sizeof(text_)) text_[size_++] = byte < 0x20 || byte == 0x7f ? '?' : c;
}

void LineText::add_number(std::uint64_t number) {
    char digits[20];
    std::size_t count = 0;
    do {
        digits[count++] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (count > 0) add(digits[--count]);
}

void LineText::add_value(const MonitorInstance& instance, const char* name, FieldType type, std::uint64_t word) {
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

void LineText::add_keys(const MonitorDescriptor& descriptor, const MonitorInstance& instance,
                        const std::uint64_t* key) {
    for (std::uint32_t i = 0; i < descriptor.key_count; ++i) {
        if (i != 0) add(' ');
        add_value(instance, descriptor.keys[i].name, descriptor.keys[i].type, key[i]);
    }
}

}  // namespace lockstep::monitors
