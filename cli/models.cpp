#include "cli/models.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace lockstep::cli {

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

}  // namespace lockstep::cli
