// lockstep events: the tracepoints that properties may be bound to, as the .tp files declare them.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/models.hpp"

namespace lockstep::cli {
namespace {

struct Options {
    std::vector<std::string> tracepoints;
    std::string provider;
    bool json = false;
};

nlohmann::ordered_json to_json(const codegen::TracepointDeclaration& tracepoint) {
    nlohmann::ordered_json fields = nlohmann::ordered_json::array();
    for (const codegen::Field& field : tracepoint.fields)
        fields.push_back({{"name", field.name}, {"type", field.c_type}});
    return {{"provider", tracepoint.provider},
            {"name", tracepoint.name},
            {"documentation", tracepoint.documentation},
            {"fields", fields},
            {"other_fields", tracepoint.other_fields}};
}

void print(const codegen::TracepointDeclaration& tracepoint) {
    fmt::print("{}:{}\n", tracepoint.provider, tracepoint.name);
    if (!tracepoint.documentation.empty()) fmt::print("    {}\n", tracepoint.documentation);
    std::string fields;
    for (const codegen::Field& field : tracepoint.fields)
        fields += fmt::format("{}{} {}", fields.empty() ? "" : ", ", field.c_type, field.name);
    fmt::print("    ({})\n", fields);
}

int run(const Options& options) {
    auto array = nlohmann::ordered_json::array();
    bool found = false;
    const auto declarations = load_tracepoints(options.tracepoints);
    for (const codegen::TracepointDeclaration* tracepoint : declarations.all()) {
        if (!options.provider.empty() && tracepoint->provider != options.provider) continue;
        found = true;
        if (options.json)
            array.push_back(to_json(*tracepoint));
        else
            print(*tracepoint);
    }
    if (options.json) fmt::print("{}\n", array.dump(2));
    if (!found)
        fmt::print(stderr, "lockstep: there is no tracepoint{}\n",
                   options.provider.empty() ? "" : " of " + options.provider);
    return found ? exit_ok : exit_could_not_run;
}

Command::Run declare(CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("provider", options->provider, "Only this provider's");
    app.add_option("--tracepoints", options->tracepoints, "Folder with .tp files (repeatable; default: Lockstep's own)")
        ->allow_extra_args(false);
    app.add_flag("--json", options->json, "A JSON array");
    return [options] { return run(*options); };
}

const Command command{"events", "List tracepoints with their fields", declare};

}  // namespace
}  // namespace lockstep::cli
