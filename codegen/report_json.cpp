#include "codegen/report_json.hpp"

#include <nlohmann/json.hpp>

namespace lockstep::codegen {

std::string diagnostics_to_json(std::string_view path, const std::vector<Diagnostic>& diagnostics) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Diagnostic& diagnostic : diagnostics) {
        nlohmann::ordered_json entry;
        entry["line"] = diagnostic.position.line;
        entry["column"] = diagnostic.position.column;
        entry["length"] = diagnostic.length;
        entry["severity"] = diagnostic.severity == Severity::error ? "error" : "warning";
        entry["code"] = diagnostic.code;
        entry["message"] = diagnostic.message;
        entry["hint"] = diagnostic.hint;
        list.push_back(std::move(entry));
    }
    const nlohmann::ordered_json report = {{"file", path}, {"diagnostics", std::move(list)}};
    return report.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace lockstep::codegen
