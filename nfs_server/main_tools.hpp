// nfs_server mkfs|fsck|dump IMAGE: what is done to an image that no server uses. nfs_server admin SOCKET: what is asked
// of a server that runs.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "nfs_server/image/image_file.hpp"

namespace lockstep::server {

// Each is given the command line from its own name on, and returns the exit status.
int run_mkfs(int argc, char** argv);   // 0 made, 1 failed, 2 could not begin: the image is unchanged
int run_fsck(int argc, char** argv);   // 0 clean, 1 damaged, 2 could not run
int run_dump(int argc, char** argv);   // 0 shown, 1 shown as far as it can be read, 2 could not run
int run_admin(int argc, char** argv);  // 0 done, 1 refused, 2 could not run

// Reads a tool's command line; a status when the tool is to end with it: 0 after --help, 2 for what can't be meant.
std::optional<int> parse_tool(CLI::App& app, int argc, char** argv);

// An image to look at; null, and a line on stderr, when it can't be opened.
std::unique_ptr<image::ImageFile> open_for(const char* tool, const std::string& path);

// Writes what a tool found to stdout. The status; 2, and a line on stderr, when not all of it could be written.
int say(const char* tool, const std::string& text, int status);

// Runs the tool that the first argument names; nothing when it names none.
std::optional<int> run_tool(int argc, char** argv);

}  // namespace lockstep::server
