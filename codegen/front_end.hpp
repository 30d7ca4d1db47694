// The way in: DOT text → checked Model, or diagnostics.
//   locate (where is what) → libcgraph (what is it) → labels and note → names and types → checks
// Or the text of a property in linear temporal logic (codegen/ltl_parser.hpp): the same Model.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/model.hpp"
#include "codegen/tracepoint_declarations.hpp"

namespace lockstep::codegen {

struct Reading {
    std::optional<Model> model;           // present when there is no error; warnings may be there nevertheless
    std::vector<Diagnostic> diagnostics;  // sorted by place
};

// A file of this name is read as linear temporal logic.
inline constexpr std::string_view ltl_extension = ".ltl";

// Reads one DOT text, or LTL when `path` ends so; besides, path is for messages and names an LTL property. Safe from several threads (libcgraph runs under a mutex).
Reading read_model(std::string source, const std::string& path, const TracepointDeclarations& tracepoints);

// The same of a file. Errors: a file that can't be read is a diagnostic without a place.
Reading read_model_file(const std::filesystem::path& path, const TracepointDeclarations& tracepoints);

// The folder with the .tp files: that of the environment variable LOCKSTEP_TRACEPOINTS, else lib/lockstep/tracepoints
// beside the running program's bin/ folder. Empty: there is none.
std::filesystem::path default_tracepoint_folder();

}  // namespace lockstep::codegen
