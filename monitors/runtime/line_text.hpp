// A line of text about an instance, made where nothing may be allocated: in the probe.
#pragma once

#include <cstddef>

#include "monitors/runtime/instance.hpp"

namespace lockstep::monitors {

// At most capacity - 2 bytes and a newline; what finds no room is cut off. Control characters become '?': what a
// watched program calls its files must not move a terminal's cursor.
class LineText {
 public:
    static constexpr std::size_t capacity = 1024;

    // Ended by a zero, which size() does not count.
    const char* text() {
        text_[size_] = 0;
        return text_;
    }
    std::size_t size() const { return size_; }

    void add(const char* text);
    void add(char c);
    void add_number(std::uint64_t number);
    // NAME="TEXT" or NAME=NUMBER.
    void add_value(const MonitorInstance& instance, const char* name, FieldType type, std::uint64_t word);
    // A newline, for which there is always room; the last thing that is added.
    void end_line() { text_[size_++] = '\n'; }
    // Each part of a context's key, with spaces between; nothing for a property of one context.
    void add_keys(const MonitorDescriptor& descriptor, const MonitorInstance& instance, const std::uint64_t* key);

 private:
    std::size_t size_ = 0;
    char text_[capacity];
};

}  // namespace lockstep::monitors
