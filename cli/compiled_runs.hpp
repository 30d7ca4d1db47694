// Made-up runs on the compiled form of a model and on the interpreter, side by side: for `lockstep test`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/property_compiler.hpp"
#include "codegen/model.hpp"
#include "codegen/run_generator.hpp"

namespace lockstep::cli {

// Compiles the model and delivers every run to both. Nothing: they agree at each step; else the first difference, with
// its run. Throws std::runtime_error when there is no compiler or it refuses, codegen::EmitError,
// monitors::MonitorError.
std::optional<std::string> compare_compiled(const codegen::Model& model, const std::vector<codegen::GeneratedRun>& runs,
                                            const CompileOptions& options);

}  // namespace lockstep::cli
