// Diagnostics for programs: one JSON object a file, the shape that editors' problem matchers like.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codegen/diagnostic.hpp"

namespace lockstep::codegen {

// {"file": …, "diagnostics": [{"line": 1, "column": 1, "length": 1, "severity": "error", "code": …, "message": …,
// "hint": …}]} Bytes that are not UTF-8 are replaced.
std::string diagnostics_to_json(std::string_view path, const std::vector<Diagnostic>& diagnostics);

}  // namespace lockstep::codegen
