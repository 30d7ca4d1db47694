// nfs_server fsck IMAGE: every invariant, read-only.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <nlohmann/json.hpp>

#include "nfs_server/image/fsck.hpp"
#include "nfs_server/image/image_file.hpp"
#include "nfs_server/main_tools.hpp"

namespace lockstep::server {
namespace {

using image::FsckResult;
using Verdict = FsckResult::Verdict;

std::string_view word_of(Verdict verdict) {
    return verdict == Verdict::clean ? "clean" : verdict == Verdict::damaged ? "damaged" : "not checked";
}

std::string text_of(const std::string& path, const FsckResult& result) {
    std::string text;
    for (const std::string& problem : result.problems) text += fmt::format("{}: {}\n", path, problem);
    if (result.truncated) text += fmt::format("{}: and more\n", path);
    text += fmt::format("{}: {}", path, word_of(result.verdict));
    if (result.verdict == Verdict::could_not) return text + "\n";
    text += fmt::format("; {} files, {} directories, {} orphans, {} blocks in use", result.report.files,
                        result.report.directories, result.report.orphans, result.report.used_blocks);
    if (result.replayed.last_sequence != 0)
        text += fmt::format("; log records {} to {} were replayed in memory", result.replayed.first_sequence,
                            result.replayed.last_sequence);
    return text + "\n";
}

std::string json_of(const FsckResult& result) {
    const nlohmann::ordered_json json{{"verdict", word_of(result.verdict)},
                                      {"problems", result.problems},
                                      {"truncated", result.truncated},
                                      {"files", result.report.files},
                                      {"directories", result.report.directories},
                                      {"orphans", result.report.orphans},
                                      {"used_blocks", result.report.used_blocks},
                                      {"replayed_first", result.replayed.first_sequence},
                                      {"replayed_last", result.replayed.last_sequence}};
    return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

int run_fsck(int argc, char** argv) {
    std::string path;
    size_t max_problems = 100;
    bool json = false;
    CLI::App app{
        "Checks every invariant of an image that no server uses. It changes nothing: a log that was not replayed\n"
        "yet is replayed in memory. Exit status: 0 clean, 1 damaged, 2 could not run.",
        "nfs_server fsck"};
    app.add_option("IMAGE", path, "A file or block device")->required();
    app.add_option("--max-problems", max_problems, "Tell at most so many")->capture_default_str();
    app.add_flag("--json", json, "The result as JSON");
    if (const auto status = parse_tool(app, argc, argv)) return *status;
    const auto file = open_for("fsck", path);
    if (!file) return 2;
    const FsckResult result = image::fsck(*file, max_problems);
    return say("fsck", json ? json_of(result) : text_of(path, result), static_cast<int>(result.verdict));
}

}  // namespace lockstep::server
