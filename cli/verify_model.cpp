#include "cli/verify_model.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "monitors/nfs_model/judge_nfs_trace.hpp"
#include "monitors/serialisability/judge_trace.hpp"

namespace lockstep::cli {
namespace {

using monitors::NfsModelResult;
using monitors::SerialisabilityResult;
using monitors::SerialisabilityViolation;
using monitors::Verdict;
using nlohmann::json;

int exit_status(Verdict verdict) {
    return verdict == Verdict::violated ? exit_violated : verdict == Verdict::ok ? exit_ok : exit_inconclusive;
}

json to_json(const SerialisabilityViolation& violation) {
    return {{"transaction", violation.transaction},
            {"other", violation.other},
            {"follows", violation.follows},
            {"text", violation.to_text()}};
}

void print_json(const std::string& trace, const SerialisabilityResult& result) {
    json violations = json::array();
    for (const auto& violation : result.first_violations) violations.push_back(to_json(violation));
    const json all = {{"trace", trace},
                      {"model", "serialisable"},
                      {"verdict", std::string(to_string(result.verdict))},
                      {"reasons", result.reasons},
                      {"complete", result.reading.complete},
                      {"events", result.reading.events},
                      {"lost", result.reading.lost},
                      {"transactions", result.transactions},
                      {"pending", result.running},
                      {"violations", result.violations},
                      {"reports", std::move(violations)},
                      {"exit_status", exit_status(result.verdict)}};
    std::puts(all.dump(2).c_str());
}

void print_text(const SerialisabilityResult& result) {
    for (const auto& violation : result.first_violations) fmt::print("{}\n", violation.to_text());
    if (result.violations > result.first_violations.size())
        fmt::print("and {} more\n", result.violations - result.first_violations.size());
    fmt::print("serialisable: {}; {} transactions judged, {} pending, {} violations\n", to_string(result.verdict),
               result.transactions, result.running, result.violations);
    for (const std::string& reason : result.reasons) fmt::print("    {}\n", reason);
}

void print_json(const std::string& trace, const NfsModelResult& result) {
    const json all = {{"trace", trace},
                      {"model", "nfs3"},
                      {"verdict", std::string(to_string(result.verdict))},
                      {"reasons", result.reasons},
                      {"complete", result.reading.complete},
                      {"events", result.reading.events},
                      {"lost", result.reading.lost},
                      {"judged", result.judged},
                      {"judged_procedures", result.judged_procedures},
                      {"skipped", result.skipped},
                      {"difference", result.difference},
                      {"exit_status", exit_status(result.verdict)}};
    std::puts(all.dump(2).c_str());
}

void print_text(const NfsModelResult& result) {
    if (!result.difference.empty()) fmt::print("{}\n", result.difference);
    fmt::print("nfs3: {}; {} calls judged, {} skipped\n", to_string(result.verdict), result.judged, result.skipped);
    for (const std::string& reason : result.reasons) fmt::print("    {}\n", reason);
}

template <class Result>
int tell(const std::string& trace, const Result& result, bool as_json) {
    if (as_json)
        print_json(trace, result);
    else
        print_text(result);
    return exit_status(result.verdict);
}

}  // namespace

std::vector<std::string> verification_models() {
    return {"serialisable", "nfs3"};
}

int verify_by_model(const std::string& model, const std::string& trace, bool as_json) {
    if (model == "nfs3") return tell(trace, monitors::judge_nfs_replies(trace), as_json);
    return tell(trace, monitors::judge_serialisability(trace), as_json);
}

}  // namespace lockstep::cli
