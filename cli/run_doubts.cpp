#include "cli/run_doubts.hpp"

#include <algorithm>

namespace lockstep::cli {

std::vector<std::string> doubts_of(const monitors::LiveResult& seen, std::vector<std::string> wanted,
                                   const harness::FiredCounts& fired, harness::Counting counting) {
    std::vector<std::string> doubts = seen.problems;
    if (!seen.complete && doubts.empty()) doubts.push_back("not every event was read");
    if (counting == harness::Counting::unknown) {
        doubts.push_back("a client did not tell how many events it fired");
        return doubts;
    }
    std::ranges::sort(wanted);
    wanted.erase(std::ranges::unique(wanted).begin(), wanted.end());
    std::uint64_t counted = 0;
    bool all_counted = counting == harness::Counting::exact;
    for (const std::string& event : wanted) {
        const auto count = fired.find(event);
        if (count != fired.end()) counted += count->second;
        all_counted &= event.starts_with("lock_api:");
    }
    if (seen.events < counted || (all_counted && seen.events > counted))
        doubts.push_back("the clients fired " + std::to_string(counted) + " events, " + std::to_string(seen.events) +
                         " arrived");
    return doubts;
}

}  // namespace lockstep::cli
