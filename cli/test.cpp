// lockstep test FILE…: the accept: and reject: examples of each file, and runs made up for it that take every edge and
// meet every forbidden event, on the reference interpreter and on the compiled monitor.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/compiled_runs.hpp"
#include "cli/models.hpp"
#include "codegen/example_runs.hpp"
#include "codegen/examples.hpp"
#include "codegen/report_json.hpp"
#include "codegen/run_generator.hpp"

namespace lockstep::cli {
namespace {

struct Options {
    std::vector<std::string> files;
    std::vector<std::string> tracepoints;
    std::vector<std::string> parameters;
    CompileOptions compile;
    std::uint64_t seed = 1;
    bool interpret_only = false;
    bool show_runs = false;
    bool json = false;
};

using codegen::Diagnostic;
using codegen::Severity;

// An example that is missing proves as little as one that fails: a property must have passed a run and rejected one.
std::vector<codegen::Diagnostic> run_tests(const codegen::Model& model) {
    std::vector<codegen::Diagnostic> failures;
    const auto results = codegen::run_examples(model);
    for (std::size_t i = 0; i < results.size(); ++i)
        if (!results[i].passed)
            failures.push_back({codegen::Severity::error,
                                "example-failed",
                                results[i].position,
                                1,
                                fmt::format("`{}` example failed: {}", model.examples[i].accept ? "accept" : "reject",
                                            results[i].explanation),
                                {}});
    for (const bool accept : {true, false})
        if (std::ranges::find(model.examples, accept, &codegen::Example::accept) == model.examples.end())
            failures.push_back(
                {codegen::Severity::error,
                 "no-example",
                 {},
                 1,
                 fmt::format("there is no `{}:` example", accept ? "accept" : "reject"),
                 fmt::format("add a comment: `// {}: event(field=value) …`", accept ? "accept" : "reject")});
    return failures;
}

// What made-up runs showed of one model.
struct Generated {
    codegen::GeneratedRuns found;
    std::size_t edges = 0;
    std::vector<Diagnostic> diagnostics;
};

// What no run reaches is a warning: nobody has seen how the model behaves there.
void warn_of_missed(const codegen::Model& model, Generated& generated) {
    for (const std::uint32_t missed : generated.found.missed_edges) {
        const codegen::Edge& edge = model.edges[missed];
        generated.diagnostics.push_back({Severity::warning, "edge-not-reached", edge.position, 1,
                                         "no made-up run takes this edge: " + edge.text,
                                         "add an `accept:` example that takes it"});
    }
    for (const codegen::ForbiddenEvent& missed : generated.found.missed_forbidden) {
        const codegen::State& state = model.states[missed.state];
        const bool timer = missed.event == codegen::no_event;
        generated.diagnostics.push_back(
            {Severity::warning, "event-not-reached", state.position, 1,
             timer ? "in no made-up run the invariant of `" + state.name + "` is passed"
                   : "in no made-up run `" + model.events[missed.event].name + "` comes in state `" + state.name + "`",
             "add a `reject:` example of it"});
    }
}

Generated run_generated(const codegen::Model& bare, const Options& options) {
    codegen::Model model = codegen::with_made_up_bindings(bare);
    Generated generated{codegen::generate_runs(model, options.seed), model.edges.size(), {}};
    warn_of_missed(model, generated);
    if (options.interpret_only) return generated;
    std::vector<codegen::GeneratedRun> runs = codegen::add_example_runs(model);
    runs.insert(runs.end(), generated.found.runs.begin(), generated.found.runs.end());
    if (const auto difference = compare_compiled(model, runs, options.compile))
        generated.diagnostics.push_back({Severity::error,
                                         "compiled-differs",
                                         {},
                                         1,
                                         "the compiled monitor does not do what the interpreter does: " + *difference,
                                         "this is a mistake of lockstep, please report it"});
    return generated;
}

nlohmann::ordered_json to_json(const Generated& generated, const Options& options) {
    nlohmann::ordered_json runs = nlohmann::ordered_json::array();
    if (options.show_runs)
        for (const codegen::GeneratedRun& run : generated.found.runs)
            runs.push_back({{"violated", run.violated}, {"hits", run.text}});
    nlohmann::ordered_json report = {
        {"runs", generated.found.runs.size()},
        {"edges", generated.edges},
        {"edges_taken", generated.edges - generated.found.missed_edges.size()},
        {"forbidden", generated.found.forbidden},
        {"forbidden_met", generated.found.forbidden - generated.found.missed_forbidden.size()},
        {"compiled", !options.interpret_only}};
    if (options.show_runs) report["list"] = std::move(runs);
    return report;
}

void print(const Generated& generated, const Options& options) {
    const auto& found = generated.found;
    if (options.show_runs)
        for (const codegen::GeneratedRun& run : found.runs)
            fmt::print("  {}: {}\n", run.violated ? "violated" : "passes  ", run.text);
    fmt::print("  {} made-up runs: {} of {} edges taken, {} of {} forbidden events met, {}\n", found.runs.size(),
               generated.edges - found.missed_edges.size(), generated.edges,
               found.forbidden - found.missed_forbidden.size(), found.forbidden,
               options.interpret_only ? "interpreted only"
                                      : "interpreter and compiled monitor agree at each step, of the examples too");
}

ExitStatus test(const std::string& file, const Options& options, const codegen::TracepointDeclarations& tracepoints) {
    codegen::Reading reading = codegen::read_model_file(file, tracepoints);
    const bool readable = reading.model.has_value();
    std::optional<Generated> generated;
    if (readable) {
        for (const std::string& assignment : options.parameters) set_parameter(*reading.model, assignment);
        for (Diagnostic& failure : run_tests(*reading.model)) reading.diagnostics.push_back(std::move(failure));
        generated = run_generated(*reading.model, options);
        for (Diagnostic& each : generated->diagnostics) reading.diagnostics.push_back(each);
    }
    const bool ok = !codegen::has_errors(reading.diagnostics);
    const std::size_t count = readable ? reading.model->examples.size() : 0;
    if (options.json) {
        auto report = nlohmann::ordered_json::parse(codegen::diagnostics_to_json(file, reading.diagnostics));
        report["examples"] = count;
        if (generated) report["generated"] = to_json(*generated, options);
        report["ok"] = ok;
        fmt::print("{}\n", report.dump());
    } else {
        print_diagnostics(reading, file);
        if (ok) fmt::print("{}: ok: {} examples\n", file, count);
        if (ok) print(*generated, options);
    }
    if (ok) return exit_ok;
    return readable ? exit_violated : status_of(reading);
}

Command::Run declare(CommandLine& command_line) {
    auto options = std::make_shared<Options>();
    add_model_files(command_line, options->files);
    add_tracepoints_option(command_line, options->tracepoints);
    command_line.add_option("--set", options->parameters, "NAME=VALUE for a parameter of the model; repeatable")
        .repeatable();
    command_line.add_flag("--interpret-only", options->interpret_only,
                          "Leave out the compiled monitor (which takes some seconds of compiling a file)");
    command_line.add_flag("--show-runs", options->show_runs, "Print the made-up runs");
    command_line.add_option("--seed", options->seed, "Of the search for runs (default: 1)");
    command_line.add_flag("--json", options->json, "One JSON object a file on stdout");
    command_line.footer(
        "An `accept:` example must pass whole; a `reject:` example must be violated by its last event. Each model "
        "needs both.\n"
        "Then runs are made up that take every edge and meet every event that a state forbids. The compiled monitor "
        "must do "
        "what the interpreter does at each step of the examples and of these runs. What none of them reaches is a "
        "warning.\n"
        "Exit status: 0 all examples do as they say and the compiled monitor agrees, 1 one does not, or a model has "
        "errors, "
        "2 a file can't be read or the compiler does not work.");
    return [options] {
        const auto tracepoints = load_tracepoints(options->tracepoints);
        ExitStatus worst = exit_ok;
        for (const std::string& file : options->files) worst = std::max(worst, test(file, *options, tracepoints));
        return worst;
    };
}

const Command command{"test", "Run the examples of automata, and made-up runs that cover them", declare};

}  // namespace
}  // namespace lockstep::cli
