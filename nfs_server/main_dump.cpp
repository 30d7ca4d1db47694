// nfs_server dump IMAGE: what is on it.
#include <CLI/CLI.hpp>

#include "nfs_server/image/dump.hpp"
#include "nfs_server/image/image_file.hpp"
#include "nfs_server/main_tools.hpp"

namespace lockstep::server {

int run_dump(int argc, char** argv) {
    std::string path;
    bool json = false;
    CLI::App app{
        "Shows the log, the superblocks and the inodes of an image that no server uses. It changes nothing: the log\n"
        "is shown as it lies on the disk, the rest as it is after the log was replayed, in memory.\n"
        "Exit status: 0 shown, 1 shown as far as it can be read, 2 could not run.",
        "nfs_server dump"};
    app.add_option("IMAGE", path, "A file or block device")->required();
    app.add_flag("--json", json, "As JSON");
    if (const auto status = parse_tool(app, argc, argv)) return *status;
    const auto file = open_for("dump", path);
    if (!file) return 2;
    const auto dump = image::dump(*file);
    return say("dump", json ? dump.dump(2) + "\n" : image::to_text(dump), dump.at("problems").empty() ? 0 : 1);
}

}  // namespace lockstep::server
