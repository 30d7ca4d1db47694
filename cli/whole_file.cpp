#include "cli/whole_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace lockstep::cli {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path) {
    throw std::runtime_error(fmt::format("can't write {}: {}", path.string(), std::strerror(errno)));
}

// `file` is what a person knows as `path`.
void write(const fs::path& file, const fs::path& path, std::string_view content) {
    std::ofstream stream(file, std::ios::binary | std::ios::trunc);
    stream.write(content.data(), static_cast<std::streamsize>(content.size()));
    stream.close();
    if (!stream) fail(path);
}

// Beside the file that it will be; removed when nobody has given it another name.
class UnfinishedFile {
 public:
    UnfinishedFile(const fs::path& path, std::string_view content)
        : path_(fmt::format("{}.{}.part", path.string(), getpid())) {
        try {
            write(path_, path, content);
        } catch (...) {
            remove();
            throw;
        }
    }
    ~UnfinishedFile() { remove(); }
    UnfinishedFile(const UnfinishedFile&) = delete;
    UnfinishedFile& operator=(const UnfinishedFile&) = delete;

    const char* name() const { return path_.c_str(); }

 private:
    void remove() const {
        std::error_code ignored;
        fs::remove(path_, ignored);
    }
    fs::path path_;
};

}  // namespace

void write_whole(const fs::path& path, std::string_view content) {
    std::error_code none;
    if (fs::exists(path, none) && !fs::is_regular_file(path, none)) return write(path, path, content);
    const fs::path target = fs::is_symlink(path, none) ? fs::weakly_canonical(path) : path;
    const UnfinishedFile unfinished(target, content);
    if (std::rename(unfinished.name(), target.c_str()) != 0) fail(path);
}

void write_new(const fs::path& path, std::string_view content) {
    const UnfinishedFile unfinished(path, content);
    if (link(unfinished.name(), path.c_str()) != 0) fail(path);
}

}  // namespace lockstep::cli
