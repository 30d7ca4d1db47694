// lockstep verify TRACE PROPERTY…: judges a recorded trace.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "cli/verify.hpp"

#include "cli/command.hpp"
#include "cli/loadable_property.hpp"
#include "cli/property_status.hpp"
#include "cli/verify_model.hpp"
#include "monitors/offline/offline_verifier.hpp"
#include "monitors/runtime/monitor.hpp"
#include "monitors/trace/own_events.hpp"

namespace lockstep::cli {
namespace {

using monitors::Monitor;
using monitors::OfflineResult;
using monitors::Summary;
using monitors::Verdict;
using nlohmann::json;

struct Judged {
    Summary summary;
    std::vector<reactors::Report> violations;  // the first of them
};

// Violated outweighs inconclusive outweighs ok.
int exit_status(const std::vector<Judged>& judged) {
    int status = exit_ok;
    for (const Judged& property : judged) {
        if (property.summary.verdict == Verdict::violated) return exit_violated;
        if (property.summary.verdict == Verdict::inconclusive) status = exit_inconclusive;
    }
    return status;
}

json to_json(const Judged& property) {
    const Summary& summary = property.summary;
    const monitors::Counters& counters = summary.counters;
    json violations = json::array();
    for (const reactors::Report& report : property.violations)
        violations.push_back(json::parse(reactors::to_json(report)));
    return {{"name", summary.name},
            {"verdict", std::string(to_string(summary.verdict))},
            {"reasons", summary.reasons},
            {"events", counters.events},
            {"contexts", counters.contexts_created},
            {"pending", counters.contexts_pending},
            {"violations", counters.violations},
            {"lost", counters.lost},
            {"unseen_events", summary.unseen_events},
            {"reports", std::move(violations)}};
}

void print_json(const VerifyOptions& options, const OfflineResult& result, const std::vector<Judged>& judged) {
    json properties = json::array();
    for (const Judged& property : judged) properties.push_back(to_json(property));
    const json all = {{"trace", options.trace},
                      {"complete", result.complete},
                      {"events", result.events},
                      {"lost", result.lost},
                      {"first_event_ns", result.first_event_ns},
                      {"lost_since_ns", result.lost_since_ns},
                      {"problems", result.problems},
                      {"properties", std::move(properties)},
                      {"exit_status", exit_status(judged)}};
    std::puts(all.dump(2).c_str());
}

void print_text(const OfflineResult& result, const std::vector<Judged>& judged) {
    for (const Judged& property : judged)
        for (const reactors::Report& report : property.violations) fmt::print("{}\n", reactors::to_text(report));
    fmt::print("{:<24} {:>12} {:>10} {:>10} {:>10}  {}\n", "property", "events", "contexts", "pending", "violations",
               "verdict");
    for (const Judged& property : judged) {
        const Summary& summary = property.summary;
        fmt::print("{:<24} {:>12} {:>10} {:>10} {:>10}  {}\n", summary.name, summary.counters.events,
                   summary.counters.contexts_created, summary.counters.contexts_pending, summary.counters.violations,
                   to_string(summary.verdict));
        for (const std::string& reason : summary.reasons) fmt::print("    {}\n", reason);
        for (const std::string& event : summary.unseen_events) fmt::print("    never seen: {}\n", event);
    }
    std::fflush(stdout);
    print_loss(result.lost, result.losses, result.first_event_ns, result.lost_since_ns);
    for (const std::string& problem : result.problems) fmt::print(stderr, "{}\n", problem);
}

}  // namespace

int verify_by_properties(const VerifyOptions& options) {
    auto instance = monitors::one_reader();
    instance.contexts = options.contexts;
    std::vector<std::unique_ptr<Monitor>> loaded;
    std::vector<Monitor*> borrowed;
    for (const GroupMember& named : expand_groups(options.properties)) {
        const LoadableProperty loadable(named.property);
        if (!loadable.sound()) return exit_could_not_run;
        loaded.push_back(Monitor::load(loadable.file(), instance));
        borrowed.push_back(loaded.back().get());
    }
    for (Monitor* monitor : borrowed) monitors::fire_own_events(*monitor);  // compilers were forked before
    const OfflineResult result = monitors::verify_trace(options.trace, borrowed);
    std::vector<Judged> judged;
    for (Monitor* monitor : borrowed) judged.push_back({monitor->summary(), monitor->take_violations()});
    if (options.as_json)
        print_json(options, result, judged);
    else
        print_text(result, judged);
    return exit_status(judged);
}

namespace {

const Command command(
    "verify", "Judge a recorded trace (CTF, as LTTng writes it) by compiled properties", [](CommandLine& command_line) {
        auto options = std::make_shared<VerifyOptions>();
        command_line.add_option("trace", options->trace, "Directory of the trace, or one that has traces below it")
            .required();
        const Option properties = command_line.add_option(
            "property", options->properties,
            "Names of installed properties, paths of compiled ones (.so) or of automata (.dot, .ltl), "
            "or groups: folders of these");
        command_line
            .add_option(
                "--model", options->model,
                "Judge by a model instead of properties: serialisable (conflict serialisability of the server's "
                "transactions, from the tracepoints of txn) or nfs3 (each reply is that of a sequential NFS "
                "server, from "
                "nfs3:operation_recorded, txn:committed and txn:aborted)")
            .one_of(verification_models())
            .excludes(properties);
        command_line.add_option("--contexts", options->contexts, "Contexts alive at once, for each property")
            .shows_default();
        command_line.add_flag("--json", options->as_json, "The result as one JSON object on standard output");
        command_line.footer(
            "What LTTng lost, a trace that is cut off or damaged, and a property that saw nothing are inconclusive.\n"
            "Exit status: the worst verdict: 0 ok, 1 violated, 3 inconclusive; 2 there is no trace, or a property has "
            "errors.");
        return [options] {
            if (!options->model.empty()) return verify_by_model(options->model, options->trace, options->as_json);
            if (options->properties.empty()) throw std::runtime_error("verify needs a property or --model");
            return verify_by_properties(*options);
        };
    });

}  // namespace
}  // namespace lockstep::cli
