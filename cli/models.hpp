// What the commands about models share: options, the tracepoint declarations, and diagnostics on the terminal.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/command_line.hpp"
#include "codegen/front_end.hpp"

namespace lockstep::cli {

// "files", one at least.
Option add_model_files(CommandLine& command_line, std::vector<std::string>& files);
// "--tracepoints", for load_tracepoints().
Option add_tracepoints_option(CommandLine& command_line, std::vector<std::string>& folders);

// The declarations of `folders`; with none given: of the default folder (codegen::default_tracepoint_folder).
// Throws std::runtime_error with the first diagnostic when a declaration can't be read.
codegen::TracepointDeclarations load_tracepoints(const std::vector<std::string>& folders);

// ok when there is a model; a file that can't be read is another matter than a model with errors.
ExitStatus status_of(const codegen::Reading& reading);

// Writes all diagnostics to stderr, in colour when that is a terminal and NO_COLOR is not set.
void print_diagnostics(const codegen::Reading& reading, const std::string& path);

// "limit=30s": gives a parameter of the model its value, a whole number, with ns, us, ms or s if it is a time. Throws
// std::runtime_error when there is none of that name, or the value can't be read.
void set_parameter(codegen::Model& model, const std::string& assignment);

}  // namespace lockstep::cli
