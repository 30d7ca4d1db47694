#include "nfs_server/base/faults.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace lockstep::server {
namespace {

Fault test_fault{"test_fault", "does nothing, on purpose", 8};

std::string choices(uint64_t seed) {
    test_fault.enable(seed);
    std::string result;
    for (int i = 0; i < 400; ++i) result += test_fault.strikes() ? '1' : '0';
    test_fault.disable();
    return result;
}

TEST(Fault, IsOffUntilEnabled) {
    test_fault.disable();
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(test_fault.strikes());
}

TEST(Fault, TheSameSeedGivesTheSameStrikes) {
    EXPECT_EQ(choices(1), choices(1));
    EXPECT_NE(choices(1), choices(2));
}

TEST(Fault, StrikesAboutOnceInTheGivenNumber) {
    const std::string made = choices(7);
    const auto strikes = std::count(made.begin(), made.end(), '1');
    EXPECT_GT(strikes, 25);
    EXPECT_LT(strikes, 100);
    EXPECT_EQ(test_fault.strikes_count(), static_cast<uint64_t>(strikes));
}

TEST(Fault, EachStrikeIsALineOfTheLog) {
    char directory[] = "/tmp/lockstep-faults-test-XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    const std::string path = std::string(directory) + "/strikes";
    ASSERT_TRUE(log_strikes_to(path).has_value());
    const std::string made = choices(7);

    std::ifstream log(path);
    std::string line;
    std::ptrdiff_t lines = 0;
    for (; std::getline(log, line); ++lines)
        EXPECT_EQ(line.rfind(R"({"fault": "test_fault", "time_ns": )", 0), 0u) << line;
    EXPECT_EQ(lines, std::count(made.begin(), made.end(), '1'));
    std::filesystem::remove_all(directory);
}

TEST(Fault, ALogThatCannotBeOpenedIsAnError) {
    const auto result = log_strikes_to("/nonexistent/strikes");
    ASSERT_FALSE(result.has_value());
    EXPECT_NE(result.error().find("/nonexistent/strikes"), std::string::npos) << result.error();
}

TEST(Fault, IsFoundByName) {
    ASSERT_TRUE(enable_fault("test_fault", 3).has_value());
    EXPECT_TRUE(test_fault.enabled());
    test_fault.disable();
}

TEST(Fault, AnUnknownNameIsAnsweredWithThoseThereAre) {
    const auto result = enable_fault("no_such", 1);
    ASSERT_FALSE(result.has_value());
    EXPECT_NE(result.error().find("test_fault"), std::string::npos) << result.error();
}

}  // namespace
}  // namespace lockstep::server
