// The way in: DOT text → checked Model, or diagnostics.
//   locate (where is what) → libcgraph (what is it) → labels and note → names and types → checks
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "codegen/diagnostic.hpp"
#include "codegen/model.hpp"
#include "codegen/tracepoint_declarations.hpp"

namespace lockstep::codegen {

struct Reading {
    std::optional<Model> model;           // present when there is no error; warnings may be there nevertheless
    std::vector<Diagnostic> diagnostics;  // sorted by place
};

// Reads one DOT text. path is for messages only. Safe from several threads (libcgraph runs under a mutex).
Reading read_model(std::string source, const std::string& path, const TracepointDeclarations& tracepoints);

// The same of a file. Errors: a file that can't be read is a diagnostic without a place.
Reading read_model_file(const std::filesystem::path& path, const TracepointDeclarations& tracepoints);

// The folder with the .tp files: that of the environment variable LOCKSTEP_TRACEPOINTS, else lib/lockstep/tracepoints
// beside the running program's bin/ folder. Empty: there is none.
std::filesystem::path default_tracepoint_folder();

}  // namespace lockstep::codegen
