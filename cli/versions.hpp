// What a run was made with: so that a stored result can be told from one of other programs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lockstep::cli {

// A JSON object: "lockstep" and "babeltrace2" (versions), "system" (kernel and machine), and "builds": each file's name
// with its build ID, which changes with every byte of its code; empty where the file has none.
std::string versions_json(const std::vector<std::filesystem::path>& files);

// The GNU build ID of a program or library, in hexadecimal. Empty when there is none, or no such file.
std::string build_id(const std::filesystem::path& file);

}  // namespace lockstep::cli
