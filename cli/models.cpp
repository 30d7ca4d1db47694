#include "cli/models.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace lockstep::cli {

Option add_model_files(CommandLine& command_line, std::vector<std::string>& files) {
    return command_line.add_option("files", files, "Automata in DOT, or properties in linear temporal logic (.ltl)")
        .required();
}

Option add_tracepoints_option(CommandLine& command_line, std::vector<std::string>& folders) {
    return command_line
        .add_option("--tracepoints", folders, "Folder with .tp files (repeatable; default: Lockstep's own)")
        .repeatable();
}

codegen::TracepointDeclarations load_tracepoints(const std::vector<std::string>& folders) {
    std::vector<std::filesystem::path> paths(folders.begin(), folders.end());
    if (paths.empty()) paths.push_back(codegen::default_tracepoint_folder());
    codegen::TracepointDeclarations declarations;
    for (const auto& folder : paths) {
        if (folder.empty()) continue;  // no folder of ours is installed: foreign tracepoints only
        const auto diagnostics = declarations.read_folder(folder);
        if (!diagnostics.empty()) throw std::runtime_error(diagnostics.front().message);
    }
    return declarations;
}

ExitStatus status_of(const codegen::Reading& reading) {
    if (reading.model) return exit_ok;
    return reading.diagnostics.front().code == "unreadable" ? exit_could_not_run : exit_violated;
}

void print_diagnostics(const codegen::Reading& reading, const std::string& path) {
    const bool colour = isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
    std::string source;
    if (!reading.diagnostics.empty()) {
        std::ifstream stream(path, std::ios::binary);
        source.assign(std::istreambuf_iterator<char>(stream), {});
    }
    for (const codegen::Diagnostic& diagnostic : reading.diagnostics)
        fmt::print(stderr, "{}", codegen::format_diagnostic(diagnostic, path, source, colour));
}

void set_parameter(codegen::Model& model, const std::string& assignment) {
    const std::size_t sign = assignment.find('=');
    const std::string name = assignment.substr(0, sign);
    const auto found = std::ranges::find(model.parameters, name, &codegen::Parameter::name);
    if (sign == std::string::npos || found == model.parameters.end())
        throw std::runtime_error("--set takes NAME=VALUE, NAME being a parameter of the model: " + assignment);
    const char* text = assignment.data() + sign + 1;
    const char* end = assignment.data() + assignment.size();
    std::int64_t number = 0;
    const auto [rest, error] = std::from_chars(text, end, number);
    const std::string unit(rest, end);
    const std::int64_t factor = unit.empty() || unit == "ns" ? 1
                                : unit == "us"               ? 1'000
                                : unit == "ms"               ? 1'000'000
                                : unit == "s"                ? 1'000'000'000
                                                             : 0;
    if (error != std::errc() || factor == 0)
        throw std::runtime_error("--set " + assignment + ": a whole number, with ns, us, ms or s if it is a time");
    found->value = codegen::Integer{number} * factor;
}

}  // namespace lockstep::cli
