// A folder that is gone with the object.
#pragma once

#include <filesystem>
#include <string>

namespace lockstep::cli {

class ScratchFolder {
 public:
    // In the folder for temporary files, with a name that begins so. Throws std::runtime_error.
    explicit ScratchFolder(const std::string& prefix);
    ~ScratchFolder();
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;

    const std::filesystem::path& path() const { return path_; }

 private:
    std::filesystem::path path_;
};

}  // namespace lockstep::cli
