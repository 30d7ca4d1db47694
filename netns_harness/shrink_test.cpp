// What a scenario is made smaller into.
#include "netns_harness/shrink.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "netns_harness/scenario.hpp"

namespace lockstep::harness {
namespace {

constexpr const char* scenario = R"(name = "x"
duration = "1s"
[[server]]
[[workload]]
name = "w"
kind = "byte_range_locks"
owners = 4
[[client]]
name = "c"
count = 3
workload = "w"
[[client]]
name = "d"
workload = "w"
[[fault]]
kind = "stop"
on = "d"
at = "10ms"
for = "10ms"
[[property]]
name = "p"
attach = "live"
)";

std::vector<std::string> steps_of(const std::string& text) {
    std::vector<std::string> steps;
    for (const SmallerScenario& smaller : smaller_scenarios(text)) steps.push_back(smaller.what);
    return steps;
}

TEST(Shrink, EveryStepIsSoundAndSmallerInOneWay) {
    EXPECT_EQ(steps_of(scenario),
              (std::vector<std::string>{"half as long: 500 ms", "without fault stop", "without client c",
                                        "1 count of c", "2 count of c", "2 owners of w", "3 owners of w"}))
        << "client d stays while a fault names it";
    for (const SmallerScenario& smaller : smaller_scenarios(scenario))
        EXPECT_NO_THROW(parse_scenario(smaller.text, "x")) << smaller.text;
}

TEST(Shrink, TheStepsLeadToAnEnd) {
    std::string text = scenario;
    int steps = 0;
    for (auto smaller = smaller_scenarios(text); !smaller.empty(); smaller = smaller_scenarios(text), ++steps)
        text = smaller.front().text;
    EXPECT_LT(steps, 20);
    const Scenario least = parse_scenario(text, "x");
    EXPECT_EQ(least.clients.size(), 1U);
    EXPECT_TRUE(least.faults.empty());
    EXPECT_EQ(least.workload("w").owners, 1U);
}

TEST(Shrink, WhatIsNoScenarioIsRefused) {
    EXPECT_THROW(smaller_scenarios("name = \"x\"\n"), Error);
}

}  // namespace
}  // namespace lockstep::harness
