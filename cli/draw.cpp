// lockstep draw FILE: the automaton as a picture, with --coverage where runs have been; draw --violation FILE: what a
// `dump` reactor wrote, as a picture of the path.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "cli/command.hpp"
#include "cli/edge_counts.hpp"
#include "cli/models.hpp"
#include "cli/whole_file.hpp"
#include "codegen/drawing.hpp"

namespace lockstep::cli {
namespace {

using codegen::EdgeCount;
using nlohmann::json;

struct Options {
    std::string file;
    std::string out;
    std::string format;
    std::vector<std::string> coverage;
    std::string violation;
    std::vector<std::string> tracepoints;
};

std::string format_of(const Options& options) {
    if (!options.format.empty()) return options.format;
    const std::string extension = std::filesystem::path(options.out).extension().string();
    if (extension == ".png" || extension == ".pdf" || extension == ".dot") return extension.substr(1);
    if (extension == ".svg" || options.out.empty()) return "svg";
    throw std::runtime_error("what to write into " + options.out +
                             "? Its name ends in .svg, .png, .pdf or .dot, or say --format");
}

// Adds the counts of every object {"name": property, "edges": […]}, however deep: the outputs of status, verify and run
// have it at different places.
bool add_counts(const json& value, const std::string& property, std::vector<EdgeCount>& counts) {
    bool found = false;
    if (value.is_object() && value.contains("edges") && value.value("name", "") == property) {
        std::size_t place = 0;
        for (const EdgeCount& one : edge_counts_of(value.at("edges"))) {
            // The same property several times, in several processes: the sums.
            if (place == counts.size())
                counts.push_back(one);
            else
                counts[place].taken += one.taken;
            ++place;
        }
        return true;
    }
    if (value.is_structured())
        for (const json& part : value) found = add_counts(part, property, counts) || found;
    return found;
}

std::vector<EdgeCount> read_counts(const std::vector<std::string>& files, const std::string& property) {
    std::vector<EdgeCount> counts;
    for (const std::string& file : files) {
        std::ifstream stream(file, std::ios::binary);
        if (!stream) throw std::runtime_error("can't read " + file);
        try {
            if (!add_counts(json::parse(stream), property, counts))
                throw std::runtime_error(file + " has no coverage of " + property +
                                         ": it is made by `lockstep status|verify|run … --json`");
        } catch (const json::exception& error) {
            throw std::runtime_error(file + " is no coverage: " + error.what());
        }
    }
    return counts;
}

void write_out(const std::string& content, const std::string& out) {
    if (out.empty()) {
        std::fwrite(content.data(), 1, content.size(), stdout);
        return;
    }
    write_whole(out, content);
}

// The automaton is the one that judged: the dump holds its text.
ExitStatus draw_violation(const Options& options, const std::string& format) {
    std::ifstream stream(options.violation, std::ios::binary);
    if (!stream) throw std::runtime_error("can't read " + options.violation);
    try {
        const json dump = json::parse(stream);
        codegen::ViolationPath path{{}, dump.at("state"), dump.at("event")};
        for (const json& event : dump.at("history"))
            path.steps.push_back({event.at("from_state"), event.at("event"), event.at("to_state")});
        const auto reading =
            codegen::read_model(dump.at("dot_source"), dump.at("dot_file"), load_tracepoints(options.tracepoints));
        if (!reading.model) {
            print_diagnostics(reading, dump.at("dot_file"));
            return status_of(reading);
        }
        const std::string drawing = codegen::drawing_of(*reading.model, path);
        write_out(format == "dot" ? drawing : codegen::render(drawing, format), options.out);
        return exit_ok;
    } catch (const json::exception& error) {
        throw std::runtime_error(options.violation + " is no dump of a violation: " + error.what());
    }
}

ExitStatus draw(const Options& options) {
    const std::string format = format_of(options);
    if (!options.violation.empty()) return draw_violation(options, format);
    if (options.file.empty()) throw std::runtime_error("what to draw? `lockstep draw FILE`, or --violation DUMP");
    const auto reading = codegen::read_model_file(options.file, load_tracepoints(options.tracepoints));
    print_diagnostics(reading, options.file);
    if (!reading.model) return status_of(reading);
    const std::string drawing =
        options.coverage.empty()
            ? codegen::drawing_of(*reading.model)
            : codegen::drawing_of(*reading.model, read_counts(options.coverage, reading.model->name));
    write_out(format == "dot" ? drawing : codegen::render(drawing, format), options.out);
    return exit_ok;
}

Command::Run declare(CommandLine& command_line) {
    auto options = std::make_shared<Options>();
    command_line.add_option("file", options->file,
                            "An automaton in DOT, or a property in linear temporal logic (.ltl)");
    command_line.add_option("-o,--out", options->out,
                            "Write the picture here; its name says what it is: .svg .png .pdf .dot. "
                            "Without: SVG on stdout");
    command_line.add_option("--format", options->format, "svg, png, pdf or dot, whatever the name")
        .one_of({"svg", "png", "pdf", "dot"});
    command_line
        .add_option("--coverage", options->coverage,
                    "What `lockstep status|verify|run --json` wrote: visited states and edges are marked, with counts. "
                    "Repeatable: the sums")
        .repeatable();
    command_line
        .add_option(
            "--violation", options->violation,
            "Instead of a file: what the reactor `dump` wrote; the automaton that judged, and the path that led "
            "out of it")
        .excludes({"file", "--coverage"});
    add_tracepoints_option(command_line, options->tracepoints);
    command_line.footer("Exit status: 0 drawn, 1 the model has errors, 2 could not draw.");
    return [options] { return draw(*options); };
}

const Command command{"draw", "Draw an automaton; with --coverage, where runs have been", declare};

}  // namespace
}  // namespace lockstep::cli
