// Which workloads are explored. Layer: explore. Source: ACE (Mohan et al., "Finding Crash-Consistency Bugs with Bounded
// Black-Box Crash Testing", OSDI 2018): all sequences of a few operations over a tiny tree, with persistence points.
#pragma once

#include <cstdint>

#include "nfs_server/explore/step.hpp"

namespace lockstep::server::explore {

/// The tree that every workload starts from: a small file, a larger one in a directory, an empty directory.
const Steps& base_tree();

/// Which operations sequences are made of.
enum class Operations : std::uint8_t {
    ace,    ///< ACE's, each on several names
    reuse,  ///< those that fill new blocks, free them and fill them again: large writes, cuts, removals
};

/// All sequences of `length` operations over the base tree, each followed by nothing, a COMMIT, settling, a checkpoint
/// or a restart. They are numbered; the numbers come in an order that a seed gives, so that any part of them is a
/// sample.
class AceSequences {
 public:
    /// length: 1 to 3.
    AceSequences(unsigned length, std::uint64_t seed, Operations operations = Operations::ace);

    std::uint64_t count() const { return count_; }
    /// Sequence `index` of 0 to count() - 1.
    Steps at(std::uint64_t index) const;

 private:
    const Steps& operations_;
    unsigned length_;
    std::uint64_t count_;
    std::uint64_t stride_;
    std::uint64_t start_;
};

/// `length` random steps over a larger tree.
Steps random_steps(unsigned length, std::uint64_t seed);

}  // namespace lockstep::server::explore
