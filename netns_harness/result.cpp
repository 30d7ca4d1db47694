#include "netns_harness/result.hpp"

#include <algorithm>

namespace lockstep::harness {

std::string to_text(Verdict verdict) {
    switch (verdict) {
        case Verdict::ok:
            return "ok";
        case Verdict::violated:
            return "violated";
        case Verdict::inconclusive:
            return "inconclusive";
    }
    return "inconclusive";
}

std::string InjectedFault::text() const {
    std::string names;
    for (const std::string& host : hosts) names += (names.empty() ? "" : ", ") + host;
    std::string others;
    for (const std::string& host : from) others += (others.empty() ? " from " : ", ") + host;
    return kind + " of " + names + others;
}

double Overhead::median(bool traced) const {
    std::vector<double> rates;
    for (const Slice& slice : slices)
        if (slice.traced == traced) rates.push_back(slice.calls_per_second);
    std::ranges::sort(rates);
    return rates.empty() ? 0 : (rates[(rates.size() - 1) / 2] + rates[rates.size() / 2]) / 2;
}

double Overhead::percent() const {
    return median(false) > 0 ? 100 * (1 - median(true) / median(false)) : 0;
}

std::uint64_t RunResult::oracle_failures() const {
    std::uint64_t sum = 0;
    for (const ClientResult& client : clients) sum += client.oracle_failures;
    return sum;
}

std::uint64_t RunResult::oracle_checks() const {
    std::uint64_t sum = 0;
    for (const ClientResult& client : clients) sum += client.reads + client.writes;
    return sum;
}

std::optional<Verdict> RunResult::oracle_verdict() const {
    if (oracle_failures() > 0) return Verdict::violated;
    if (std::ranges::none_of(clients, &ClientResult::has_oracle)) return std::nullopt;
    return oracle_checks() > 0 ? Verdict::ok : Verdict::inconclusive;
}

std::optional<Verdict> RunResult::commands_verdict() const {
    const auto ran = [](const ClientResult& client) { return client.commands > 0; };
    if (std::ranges::none_of(clients, ran)) return std::nullopt;
    const auto failed = [](const ClientResult& client) { return client.failed_commands > 0; };
    return std::ranges::any_of(clients, failed) ? Verdict::inconclusive : Verdict::ok;
}

Verdict RunResult::verdict() const {
    const auto any = [this](Verdict verdict) {
        return std::ranges::any_of(properties,
                                   [verdict](const PropertyResult& property) { return property.verdict == verdict; });
    };
    if (any(Verdict::violated) || oracle_failures() > 0) return Verdict::violated;
    const bool open = oracle_verdict() == Verdict::inconclusive || commands_verdict() == Verdict::inconclusive;
    if (any(Verdict::inconclusive) || open || !problems.empty()) return Verdict::inconclusive;
    return Verdict::ok;
}

}  // namespace lockstep::harness
