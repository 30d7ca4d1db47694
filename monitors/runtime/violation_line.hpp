// A violation in one line of text, made where nothing may be allocated: in the probe, for what reacts in place.
#pragma once

#include <cstddef>

#include "monitors/runtime/instance.hpp"

namespace lockstep::monitors {

class ViolationLine {
 public:
    static constexpr std::size_t capacity = 1024;

    // "lockstep: PROPERTY violated for KEY=…: in state S, event E(FIELD=…) of pid P tid T", cut at the buffer's end;
    // with a newline.
    ViolationLine(const MonitorDescriptor& descriptor, const MonitorInstance& instance, const ViolationRecord& record);

    const char* text() const { return text_; }
    std::size_t size() const { return size_; }

 private:
    void add(const char* text);
    void add(char c);
    void add_number(std::uint64_t number);
    void add_value(const MonitorInstance& instance, const char* name, FieldType type, std::uint64_t word);

    std::size_t size_ = 0;
    char text_[capacity];
};

}  // namespace lockstep::monitors
