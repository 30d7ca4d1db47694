// lockstep replay DIR: judges a stored run's trace again.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "cli/command.hpp"
#include "cli/verify.hpp"
#include "netns_harness/system.hpp"

namespace lockstep::cli {
namespace {

using nlohmann::json;

// The properties that judged the run by its trace.
std::vector<std::string> live_properties(const std::filesystem::path& directory) {
    const json result = json::parse(harness::read_file(directory / "result.json"), nullptr, false);
    if (!result.is_object() || !result.contains("properties"))
        throw std::runtime_error((directory / "result.json").string() + " is no result of a run");
    std::vector<std::string> names;
    for (const json& property : result.at("properties"))
        if (property.at("attached") == "live") names.push_back(property.at("name"));
    return names;
}

int replay(const std::string& directory, VerifyOptions& options) {
    const std::filesystem::path trace = std::filesystem::path(directory) / "trace";
    const std::vector<std::string> judged_then = live_properties(directory);
    if (!std::filesystem::exists(trace))
        throw std::runtime_error(directory + " has no trace: no property of that run was attached live");
    options.trace = trace;
    if (options.properties.empty()) options.properties = judged_then;
    return verify_by_properties(options);
}

Command::Run declare(CommandLine& command_line) {
    auto directory = std::make_shared<std::string>();
    auto options = std::make_shared<VerifyOptions>();
    command_line.add_option("directory", *directory, "What `lockstep run --out` left").required();
    command_line.add_option("property", options->properties,
                            "Judge by these instead of the run's own: names of compiled properties, or their files");
    command_line.add_option("--contexts", options->contexts, "Contexts alive at once, for each property")
        .shows_default();
    command_line.add_flag("--json", options->as_json, "The result as one JSON object on standard output");
    command_line.footer(
        "The trace holds the events that the run's live properties listened to; a property of other events sees "
        "nothing,\n"
        "and what saw nothing is inconclusive. Exit status: 0 ok, 1 violated, 2 could not run, 3 inconclusive.");
    return [directory, options] { return replay(*directory, *options); };
}

const Command command{"replay", "Judge a stored run again, by its own or by other properties", declare};

}  // namespace
}  // namespace lockstep::cli
