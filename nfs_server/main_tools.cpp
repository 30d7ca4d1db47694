#include "nfs_server/main_tools.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <string_view>

namespace lockstep::server {

std::optional<int> parse_tool(CLI::App& app, int argc, char** argv) {
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    return std::nullopt;
}

std::unique_ptr<image::ImageFile> open_for(const char* tool, const std::string& path) {
    auto file = image::ImageFile::open(path);
    if (file) return std::move(*file);
    std::fprintf(stderr, "nfs_server %s: %s\n", tool, file.error().message.c_str());
    return nullptr;
}

int say(const char* tool, const std::string& text, int status) {
    if (std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0) return status;
    std::fprintf(stderr, "nfs_server %s: writing the result: %s\n", tool, std::strerror(errno));
    return 2;
}

std::optional<int> run_tool(int argc, char** argv) try {
    const std::string_view name = argc > 1 ? argv[1] : "";
    if (name == "mkfs") return run_mkfs(argc - 1, argv + 1);
    if (name == "fsck") return run_fsck(argc - 1, argv + 1);
    if (name == "dump") return run_dump(argc - 1, argv + 1);
    if (name == "admin") return run_admin(argc - 1, argv + 1);
    return std::nullopt;
} catch (const std::bad_alloc&) {
    std::fprintf(stderr, "nfs_server %s: not enough memory\n", argv[1]);
    return 2;
}

}  // namespace lockstep::server
