// Smaller scenarios, for who looks for the smallest one that still shows something.
#pragma once

#include <string>
#include <vector>

namespace lockstep::harness {

struct SmallerScenario {
    std::string what;  // "half as long"
    std::string text;  // a scenario file
};

// What a scenario can be made into by one step: half as long, without a fault or a client, with fewer
// clients of a name, owners or files. Properties stay: they are what it shows. The boldest steps come first; every text
// is a sound scenario. `text` must be one, too: else Error.
std::vector<SmallerScenario> smaller_scenarios(const std::string& text);

}  // namespace lockstep::harness
