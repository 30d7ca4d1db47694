#include "cli/property_compiler.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "cli/models.hpp"
#include "cli/scratch_folder.hpp"
#include "cli/whole_file.hpp"
#include "codegen/front_end.hpp"

extern char** environ;

namespace lockstep::cli {
namespace {

// The headers of the runtime lie beside the program: the tree may be moved.
std::filesystem::path header_folder() {
    const auto program = std::filesystem::read_symlink("/proc/self/exe");
    const auto folder = program.parent_path().parent_path() / "lib" / "lockstep" / "include";
    if (!std::filesystem::is_directory(folder))
        throw std::runtime_error(fmt::format("the headers for compiling properties are missing: {}", folder.string()));
    return folder;
}

// Runs a program of PATH with our stdout and stderr; its exit status.
int run(const std::vector<std::string>& command) {
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_t child = 0;
    const int error = posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments.data(), environ);
    if (error != 0)
        throw std::runtime_error(fmt::format("cannot run the compiler {}: {}", command[0], std::strerror(error)));
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

std::string compiler_of(const CompileOptions& options) {
    if (!options.compiler.empty()) return options.compiler;
    const char* given = std::getenv("CXX");
    return given != nullptr && *given != 0 ? given : "c++";
}

}  // namespace

std::string generate(const std::filesystem::path& dot_file, const CompileOptions& options) {
    const auto tracepoints = load_tracepoints(options.tracepoints);
    const codegen::Reading reading = codegen::read_model_file(dot_file, tracepoints);
    if (!reading.model && reading.diagnostics.front().code == "unreadable")
        throw std::runtime_error(fmt::format("{}: {}", dot_file.string(), reading.diagnostics.front().message));
    print_diagnostics(reading, dot_file.string());
    return reading.model ? codegen::emit_monitor(*reading.model, {options.encoding}) : std::string();
}

bool compile_monitor(const std::string& source, const std::filesystem::path& out, const CompileOptions& options) {
    const ScratchFolder scratch("lockstep-compile");
    const auto file = scratch.path() / "monitor.cpp";
    write_whole(file, source);
    auto unfinished = std::filesystem::absolute(out);
    unfinished += fmt::format(".{}.part", getpid());
    // Why these: cmake/lockstep_monitor.cmake.
    const int status =
        run({compiler_of(options), "-std=c++17", "-O2", "-DNDEBUG", "-fPIC", "-shared", "-fvisibility=hidden",
             "-fvisibility-inlines-hidden", "-fno-gnu-unique", "-fno-tree-slp-vectorize",
             "-I" + header_folder().string(), "-o", unfinished.string(), file.string()});
    if (status != 0) {
        std::error_code ignored;
        std::filesystem::remove(unfinished, ignored);
        return false;
    }
    std::filesystem::rename(unfinished, out);
    return true;
}

}  // namespace lockstep::cli
