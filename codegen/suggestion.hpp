// "did you mean": the candidate that a misspelt name is nearest to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockstep::codegen {

// Empty when nothing is near: at most a third of the letters, and at least one, may differ.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

// `did you mean x?`, or `fallback`.
std::string suggest(std::string_view name, const std::vector<std::string>& candidates, std::string fallback);

// "a, b and c"; at most `most` names, then "and n more".
std::string list_names(const std::vector<std::string>& names, std::size_t most = 12);

}  // namespace lockstep::codegen
