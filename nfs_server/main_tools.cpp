#include "nfs_server/main_tools.hpp"

#include <string_view>

namespace lockstep::server {

std::optional<int> run_tool(int argc, char** argv) {
    const std::string_view name = argc > 1 ? argv[1] : "";
    if (name == "mkfs") return run_mkfs(argc - 1, argv + 1);
    if (name == "fsck") return run_fsck(argc - 1, argv + 1);
    if (name == "dump") return run_dump(argc - 1, argv + 1);
    if (name == "admin") return run_admin(argc - 1, argv + 1);
    return std::nullopt;
}

}  // namespace lockstep::server
