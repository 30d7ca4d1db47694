// From a DOT file to a shared object, with the machine's C++ compiler: what `lockstep compile` does, and `attach` for a
// .dot.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "codegen/emit/emitter.hpp"

namespace lockstep::cli {

struct CompileOptions {
    std::vector<std::string> tracepoints;  // folders with .tp files; none: Lockstep's own
    codegen::Encoding encoding = codegen::Encoding::automatic;
    std::string compiler;  // empty: the environment's CXX, or c++
};

// The C++ of the property. Empty when the model has errors; they are on stderr then. Throws codegen::EmitError, and
// std::runtime_error when the file can't be read.
std::string generate(const std::filesystem::path& dot_file, const CompileOptions& options);

// Compiles C++ into `out`, which is complete or untouched. False when the compiler refused; its messages are on stderr.
// Throws std::runtime_error when there is no compiler or no room.
bool compile_monitor(const std::string& source, const std::filesystem::path& out, const CompileOptions& options);

}  // namespace lockstep::cli
