// lockstep check FILE…: every diagnostic of every file.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/command.hpp"
#include "cli/models.hpp"
#include "codegen/report_json.hpp"

namespace lockstep::cli {
namespace {

struct Options {
    std::vector<std::string> files;
    std::vector<std::string> tracepoints;
    bool json = false;
};

ExitStatus check(const std::string& file, const Options& options, const codegen::TracepointDeclarations& tracepoints) {
    const codegen::Reading reading = codegen::read_model_file(file, tracepoints);
    if (options.json) {
        fmt::print("{}\n", codegen::diagnostics_to_json(file, reading.diagnostics));
        return status_of(reading);
    }
    print_diagnostics(reading, file);
    if (reading.model)
        fmt::print("{}: ok: {} states, {} edges, {} events, {} examples\n", file, reading.model->states.size(),
                   reading.model->edges.size(), reading.model->events.size(), reading.model->examples.size());
    return status_of(reading);
}

Command::Run declare(CommandLine& command_line) {
    auto options = std::make_shared<Options>();
    add_model_files(command_line, options->files);
    add_tracepoints_option(command_line, options->tracepoints);
    command_line.add_flag("--json", options->json, "One JSON object a file on stdout");
    command_line.footer(
        "Exit status: 0 no errors (there may be warnings), 1 a model has errors, 2 a file can't be read.");
    return [options] {
        const auto tracepoints = load_tracepoints(options->tracepoints);
        ExitStatus worst = exit_ok;
        for (const std::string& file : options->files) worst = std::max(worst, check(file, *options, tracepoints));
        return worst;
    };
}

const Command command{"check", "Check automata: every error at once, with its place and a hint", declare};

}  // namespace
}  // namespace lockstep::cli
