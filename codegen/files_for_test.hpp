// For the tests of this folder that read files of the source tree.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace lockstep::codegen {

inline std::filesystem::path root() {
    return std::getenv("LOCKSTEP_SOURCE_DIR");
}

inline std::string text_of(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    EXPECT_TRUE(stream) << path;
    return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace lockstep::codegen
