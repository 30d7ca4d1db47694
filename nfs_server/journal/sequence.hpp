// The number of a commit record in the log.
#pragma once

#include <compare>
#include <cstdint>

namespace lockstep::server {

/// A commit record's place in the log's one order: from 1, without gaps, over the whole life of the disk. 0: before
/// all.
struct Sequence {
    uint64_t value = 0;
    friend constexpr auto operator<=>(Sequence, Sequence) = default;
};

}  // namespace lockstep::server
