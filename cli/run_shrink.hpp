// `lockstep run --shrink`: looks for a smaller scenario that still violates.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cli/command.hpp"

namespace lockstep::cli {

struct Shrinking {
    std::string text;            // the scenario
    std::filesystem::path kept;  // where the smallest is written
    // The command line that runs a scenario file.
    std::function<std::vector<std::string>(const std::filesystem::path& scenario)> command;
};

// Runs the scenario; if it violates, makes it smaller step by step, and keeps each step after which one of a few runs
// violates still (runs differ even with one seed: the processor's time is nobody's choice). Tells each step on standard
// output. exit_violated: something was found and written; exit_inconclusive: the scenario itself did not violate.
ExitStatus run_shrinking(const Shrinking& shrinking);

}  // namespace lockstep::cli
