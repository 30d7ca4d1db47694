// nfs_server mkfs|fsck|dump IMAGE: what is done to an image that no server uses. nfs_server admin SOCKET: what is asked
// of a server that runs.
#pragma once

#include <optional>

namespace lockstep::server {

// Each is given the command line from its own name on, and returns the exit status.
int run_mkfs(int argc, char** argv);   // 0 made, 1 failed, 2 could not begin: the image is unchanged
int run_fsck(int argc, char** argv);   // 0 clean, 1 damaged, 2 could not run
int run_dump(int argc, char** argv);   // 0 shown, 1 shown as far as it can be read, 2 could not run
int run_admin(int argc, char** argv);  // 0 done, 1 refused, 2 could not run

// Runs the tool that the first argument names; nothing when it names none.
std::optional<int> run_tool(int argc, char** argv);

}  // namespace lockstep::server
