// nfs_server dump IMAGE: what is on it.
#include <cstdio>

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
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    auto file = image::ImageFile::open(path);
    if (!file) {
        std::fprintf(stderr, "nfs_server dump: %s\n", file.error().message.c_str());
        return 2;
    }
    const auto dump = image::dump(**file);
    std::fputs((json ? dump.dump(2) + "\n" : image::to_text(dump)).c_str(), stdout);
    return dump.at("problems").empty() ? 0 : 1;
}

}  // namespace lockstep::server
