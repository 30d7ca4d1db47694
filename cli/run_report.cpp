#include "cli/run_report.hpp"

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/edge_counts.hpp"
#include "cli/models.hpp"
#include "codegen/drawing.hpp"
#include "netns_harness/report_page.hpp"

namespace lockstep::cli {
namespace {

using nlohmann::json;

std::string drawing_of(const json& property, const codegen::TracepointDeclarations& tracepoints) {
    const auto name = property.at("name").get<std::string>();
    const auto reading = codegen::read_model(property.at("automaton"), name + ".dot", tracepoints);
    if (!reading.model) throw std::runtime_error(reading.diagnostics.front().message);
    const auto counts = edge_counts_of(property.at("edges"));
    return codegen::render(codegen::drawing_of(*reading.model, counts), "svg");
}

}  // namespace

void write_page(const std::filesystem::path& directory) {
    const std::string text = harness::read_file(directory / "result.json");
    const json result = json::parse(text, nullptr, false);
    std::map<std::string, std::string> automata;
    const auto tracepoints = load_tracepoints({});
    if (result.is_object() && result.contains("properties"))
        for (const json& property : result.at("properties")) {
            if (property.value("automaton", "").empty()) continue;
            const auto name = property.at("name").get<std::string>();
            try {
                automata[name] = drawing_of(property, tracepoints);
            } catch (const std::exception& error) {
                std::fprintf(stderr, "lockstep: %s is not drawn: %s\n", name.c_str(), error.what());
            }
        }
    harness::write_file(directory / "report.html", harness::to_page(text, automata));
}

void write_results(const harness::RunResult& result, const std::filesystem::path& directory) {
    harness::write_file(directory / "result.json", harness::to_json(result));
    harness::write_file(directory / "report.txt", harness::to_report(result, 120, false));
    harness::write_file(directory / "junit.xml", harness::to_junit(result));
    write_page(directory);
}

}  // namespace lockstep::cli
