#include "nfs_server/base/result.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace lockstep::server {
namespace {

Result<int, std::string> parse_digit(char c) {
    if (c < '0' || c > '9') return fail(std::string("not a digit"));
    return c - '0';
}

Result<void, std::string> require(bool yes) {
    if (!yes) return fail(std::string("required"));
    return {};
}

Result<int, std::string> sum(char a, char b, bool allowed) {
    LOCKSTEP_TRY(require(allowed));
    LOCKSTEP_TRY(auto first, parse_digit(a));
    LOCKSTEP_TRY(const int second, parse_digit(b));
    return first + second;
}

TEST(Result, TryPassesValuesOn) {
    EXPECT_EQ(*sum('3', '4', true), 7);
}

TEST(Result, TryReturnsTheFirstError) {
    EXPECT_EQ(sum('3', 'x', true).error(), "not a digit");
    EXPECT_EQ(sum('x', 'x', false).error(), "required");
}

TEST(Result, TryMovesTheValueOut) {
    auto make = []() -> Result<std::unique_ptr<int>, int> { return std::make_unique<int>(5); };
    auto use = [&]() -> Result<int, int> {
        LOCKSTEP_TRY(auto owned, make());
        return *owned;
    };
    EXPECT_EQ(*use(), 5);
}

TEST(Result, MonadicFormsGiveAResultAgain) {
    Result<int, std::string> doubled = parse_digit('4').map([](int digit) { return digit * 2; });
    EXPECT_EQ(*doubled, 8);
}

}  // namespace
}  // namespace lockstep::server
