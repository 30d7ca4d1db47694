// A range of a file's bytes, both ends inside; the last byte UINT64_MAX reaches to the end of the file. Nlm layer.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

namespace lockstep::server::nlm {

struct ByteRange {
    static constexpr uint64_t end_of_file = std::numeric_limits<uint64_t>::max();

    uint64_t first = 0;
    uint64_t last = end_of_file;

    friend bool operator==(const ByteRange&, const ByteRange&) = default;
    bool overlaps(const ByteRange& other) const { return first <= other.last && other.first <= last; }

    // From the wire's offset and length, where length 0 means to the end of the file. Nothing: the range would pass
    // 2^64.
    static std::optional<ByteRange> from_wire(uint64_t offset, uint64_t length) {
        if (length == 0) return ByteRange{offset, end_of_file};
        if (length - 1 > end_of_file - offset) return std::nullopt;
        return ByteRange{offset, offset + (length - 1)};
    }
    // The wire's length of this range.
    uint64_t wire_length() const { return last == end_of_file ? 0 : last - first + 1; }
};

// The distributed lock manager's numbers, as the tracepoints have them.
enum class LockMode : uint8_t {
    shared = 3,     // PR, protected read
    exclusive = 5,  // EX
};

constexpr bool compatible(LockMode a, LockMode b) {
    return a == LockMode::shared && b == LockMode::shared;
}

}  // namespace lockstep::server::nlm
