#include "cli/versions.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace lockstep::cli {
namespace {

namespace fs = std::filesystem;

TEST(BuildId, OfAProgramIsWhatItsNoteSaysAndOfAnythingElseIsNone) {
    const std::string own = build_id("/proc/self/exe");
    EXPECT_GE(own.size(), 32U) << own;
    EXPECT_EQ(own.find_first_not_of("0123456789abcdef"), std::string::npos) << own;
    EXPECT_EQ(build_id("/dev/null"), "");
    EXPECT_EQ(build_id("/no/such/file"), "");

    // Every beginning of a program is read without harm.
    const fs::path cut = fs::temp_directory_path() / ("build-id-" + std::to_string(getpid()));
    std::ifstream whole("/proc/self/exe", std::ios::binary);
    std::string bytes(2048, '\0');
    whole.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    for (std::size_t size = 0; size < bytes.size(); size += 7) {
        std::ofstream(cut, std::ios::binary | std::ios::trunc) << bytes.substr(0, size);
        const std::string id = build_id(cut);
        EXPECT_TRUE(id.empty() || id == own) << size;
    }
    fs::remove(cut);
}

TEST(Versions, NameEveryFileAndTheLibrariesThatJudged) {
    const auto versions = nlohmann::json::parse(versions_json({"/proc/self/exe", "/dev/null"}));
    EXPECT_EQ(versions.at("builds").at("exe"), build_id("/proc/self/exe"));
    EXPECT_EQ(versions.at("builds").at("null"), "");
    EXPECT_EQ(versions.at("babeltrace2").get<std::string>().substr(0, 2), "2.");
    EXPECT_EQ(versions.at("system").get<std::string>().substr(0, 6), "Linux ");
    EXPECT_FALSE(versions.at("lockstep").get<std::string>().empty());
}

}  // namespace
}  // namespace lockstep::cli
