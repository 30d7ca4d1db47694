// Many runs of one scenario, each with a seed of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cli/command.hpp"

namespace lockstep::cli {

struct Repetition {
    std::uint64_t first_seed = 0;  // the runs have this one and those that follow
    std::uint64_t runs = 1;
    unsigned jobs = 1;             // at a time
    bool until_violation = false;  // none is begun after one that was violated
    // The command line of one run: `lockstep` itself, told to write JSON on stdout.
    std::function<std::vector<std::string>(std::uint64_t seed)> command;
    bool json = false;
};

// Each run is a process of its own, in a sandbox of its own. Prints a line a run as it ends (or one JSON object at the
// end), then the sums. The status is the gravest: violated, could not run, inconclusive, ok. SIGINT and SIGTERM are
// handed on to the runs, and no further one is begun.
ExitStatus run_repeated(const Repetition& repetition);

}  // namespace lockstep::cli
