// What owners and masters say to each other: lines of text over TCP, so that a capture of a run can be read.
//
//   owner to master                                 master to owner
//   hello OWNER              first, once
//   lock N RESOURCE MODE wait|try                   granted N | refused N busy|deadlock|withdrawn
//   cancel N RESOURCE        of a lock that waits   nothing but the answer to the lock itself
//   unlock N RESOURCE                               released N
//
// N numbers an owner's requests. One blank between words, a newline at the end, at most 128 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "netns_harness/dlm/lock_modes.hpp"

namespace lockstep::dlm {

struct Message {
    enum class Kind : std::uint8_t { hello, lock, cancel, unlock, granted, refused, released };
    enum class Reason : std::uint8_t { busy, deadlock, withdrawn };
    Kind kind = Kind::hello;
    std::uint32_t request = 0;
    std::string name = {};         // hello: the owner's; lock, cancel, unlock: the resource's
    Mode mode = Mode::NL;          // lock
    bool may_wait = false;         // lock
    Reason reason = Reason::busy;  // refused
    bool operator==(const Message&) const = default;
};

inline constexpr std::size_t longest_line = 128;  // with its newline
inline constexpr std::size_t longest_name = 64;   // of an owner or a resource: printable, without blanks

// A line without its newline; nothing when it is not exactly what to_line() writes.
std::optional<Message> parse_line(std::string_view line);

// With its newline.
std::string to_line(const Message& message);

std::string_view name_of(Message::Reason reason);

// Cuts what comes from a connection into lines.
class LineReader {
 public:
    void append(std::string_view bytes) { bytes_.append(bytes); }

    // The next whole line without its newline; nothing when there is none yet.
    std::optional<std::string> next();

    // More than the longest line has come and no newline: there will be no next() any more.
    bool overflown() const { return bytes_.size() >= longest_line && bytes_.find('\n') == std::string::npos; }

 private:
    std::string bytes_;
};

}  // namespace lockstep::dlm
