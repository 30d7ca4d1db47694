#include "codegen/suggestion.hpp"

#include <algorithm>
#include <numeric>

namespace lockstep::codegen {
namespace {

constexpr std::size_t longest_compared = 64;

// Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0]++;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row.back();
}

}  // namespace

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
    if (name.size() > longest_compared) return {};
    std::string nearest;
    std::size_t least = std::max<std::size_t>(1, (name.size() + 1) / 3) + 1;
    for (const std::string& candidate : candidates) {
        if (candidate.size() > longest_compared) continue;
        const std::size_t differing = distance(name, candidate);
        if (differing < least) {
            least = differing;
            nearest = candidate;
        }
    }
    return nearest;
}

std::string suggest(std::string_view name, const std::vector<std::string>& candidates, std::string fallback) {
    const std::string nearest = nearest_name(name, candidates);
    return nearest.empty() ? fallback : "did you mean `" + nearest + "`?";
}

std::string list_names(const std::vector<std::string>& names, std::size_t most) {
    std::string list;
    const std::size_t shown = std::min(names.size(), most);
    for (std::size_t i = 0; i < shown; ++i) {
        if (i > 0) list += i + 1 == names.size() ? " and " : ", ";
        list += names[i];
    }
    if (shown < names.size()) list += " and " + std::to_string(names.size() - shown) + " more";
    return list;
}

}  // namespace lockstep::codegen
