// Files that others read: whoever looks meanwhile sees the former one, or none, and a full disk leaves nothing half
// written.
#pragma once

#include <filesystem>
#include <string_view>

namespace lockstep::cli {

// Throws std::runtime_error that names `path` and says why; `path` is then as it was. What is no regular file
// (/dev/stdout, a FIFO) is written as it is.
void write_whole(const std::filesystem::path& path, std::string_view content);

// As write_whole(), but never over a file that exists, not even one that appears meanwhile: that is an error as well.
void write_new(const std::filesystem::path& path, std::string_view content);

}  // namespace lockstep::cli
