// lockstep test FILE…: the accept: and reject: examples of each file, on the reference interpreter.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/models.hpp"
#include "codegen/examples.hpp"
#include "codegen/report_json.hpp"

namespace lockstep::cli {
namespace {

struct Options {
    std::vector<std::string> files;
    std::vector<std::string> tracepoints;
    bool json = false;
};

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

ExitStatus test(const std::string& file, const Options& options, const codegen::TracepointDeclarations& tracepoints) {
    codegen::Reading reading = codegen::read_model_file(file, tracepoints);
    const bool readable = reading.model.has_value();
    if (readable)
        for (codegen::Diagnostic& failure : run_tests(*reading.model))
            reading.diagnostics.push_back(std::move(failure));
    const bool ok = !codegen::has_errors(reading.diagnostics);
    const std::size_t count = readable ? reading.model->examples.size() : 0;
    if (options.json) {
        auto report = nlohmann::ordered_json::parse(codegen::diagnostics_to_json(file, reading.diagnostics));
        report["examples"] = count;
        report["ok"] = ok;
        fmt::print("{}\n", report.dump());
    } else {
        print_diagnostics(reading, file);
        if (ok) fmt::print("{}: ok: {} examples\n", file, count);
    }
    if (ok) return exit_ok;
    return readable || reading.diagnostics.front().code != "unreadable" ? exit_violated : exit_could_not_run;
}

Command::Run declare(CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("files", options->files, "Automata in DOT")->required();
    app.add_option("--tracepoints", options->tracepoints, "Folder with .tp files (repeatable; default: Lockstep's own)")
        ->allow_extra_args(false);
    app.add_flag("--json", options->json, "One JSON object a file on stdout");
    app.footer(
        "An `accept:` example must pass whole; a `reject:` example must be violated by its last event. Each model "
        "needs both.\n"
        "Exit status: 0 all examples do as they say, 1 one does not, or a model has errors, 2 a file can't be read.");
    return [options] {
        const auto tracepoints = load_tracepoints(options->tracepoints);
        ExitStatus worst = exit_ok;
        for (const std::string& file : options->files) worst = std::max(worst, test(file, *options, tracepoints));
        return worst;
    };
}

const Command command{"test", "Run the accept: and reject: examples of automata", declare};

}  // namespace
}  // namespace lockstep::cli
