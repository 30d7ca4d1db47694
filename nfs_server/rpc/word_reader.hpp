// Steps over the words of a message that may not have come whole yet. Rpc layer.
#pragma once

#include <arpa/inet.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace lockstep::server::rpc {

// Once it has stepped past the end it stays there, and gives zeros.
class WordReader {
 public:
    explicit WordReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

    uint32_t next() {
        uint32_t word = 0;
        skip_bytes(sizeof word);
        if (ended_) return 0;
        std::memcpy(&word, bytes_.data() + position_ - sizeof word, sizeof word);
        return ntohl(word);
    }
    uint64_t next_64() {
        const uint64_t high = next();
        return high << 32 | next();
    }
    WordReader& skip(size_t words) {
        skip_bytes(words * sizeof(uint32_t));
        return *this;
    }
    // Returns its length.
    uint32_t skip_opaque() {
        const uint32_t size_bytes = next();
        skip_bytes((size_t{size_bytes} + 3) & ~size_t{3});
        return size_bytes;
    }

    // What was asked for has not come.
    bool ended() const { return ended_; }
    // Behind what was read. Precondition: not ended.
    size_t position() const { return position_; }

 private:
    void skip_bytes(size_t bytes) {
        ended_ = ended_ || bytes > bytes_.size() - position_;
        if (!ended_) position_ += bytes;
    }

    std::span<const std::byte> bytes_;
    size_t position_ = 0;
    bool ended_ = false;
};

}  // namespace lockstep::server::rpc
