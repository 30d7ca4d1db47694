#include "codegen/integer.hpp"

#include <gtest/gtest.h>

namespace lockstep::codegen {
namespace {

TEST(Integer, SumsAndProductsSaturate) {
    EXPECT_TRUE(add(UINT64_MAX, 1) == integer_highest);
    EXPECT_TRUE(subtract(INT64_MIN, 1) == integer_lowest);
    EXPECT_TRUE(multiply(UINT64_MAX, UINT64_MAX) == integer_highest);
    EXPECT_TRUE(multiply(integer_lowest, UINT64_MAX) == integer_lowest);
    EXPECT_TRUE(multiply(integer_lowest, -1) == -integer_lowest);
    EXPECT_TRUE(add(UINT64_MAX, -1) == Integer{UINT64_MAX} - 1);
}

TEST(Integer, RegistersHoldTheNearestValue) {
    EXPECT_EQ(to_unsigned(-5), 0U);
    EXPECT_EQ(to_signed(UINT64_MAX), INT64_MAX);
    EXPECT_EQ(to_unsigned(UINT64_MAX), UINT64_MAX);
    EXPECT_EQ(to_signed(-5), -5);
}

TEST(Modes, AreCompatibleAsInTheDlm) {
    enum { NL, CR, CW, PR, PW, EX };
    for (int a = NL; a <= EX; ++a) {
        EXPECT_TRUE(modes_compatible(a, NL));
        EXPECT_EQ(modes_compatible(a, EX), a == NL);
        for (int b = NL; b <= EX; ++b) EXPECT_EQ(modes_compatible(a, b), modes_compatible(b, a));
    }
    EXPECT_TRUE(modes_compatible(PR, PR));
    EXPECT_FALSE(modes_compatible(PR, CW));
    EXPECT_TRUE(modes_compatible(CW, CW));
    EXPECT_FALSE(modes_compatible(PW, PW));
    EXPECT_TRUE(modes_compatible(CR, PW));
}

TEST(Modes, WhatIsNoModeIsExclusive) {
    EXPECT_FALSE(modes_compatible(17, 1));
    EXPECT_FALSE(modes_compatible(-1, 1));
    EXPECT_TRUE(modes_compatible(17, 0));
}

}  // namespace
}  // namespace lockstep::codegen
