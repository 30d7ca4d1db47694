#include "netns_harness/kernel_clients.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace lockstep::harness {
namespace {

using testing::HasSubstr;

std::string scenario_with(const std::string& more_of_client, const std::string& rest = "") {
    return "name = 'x'\n[[server]]\n[[server]]\nname = 'other'\n[[client]]\nname = 'alpha'\ncommand = 'true'\n" +
           more_of_client + "\n" + rest;
}

std::string findings_of(const std::string& text) {
    try {
        parse_scenario(text, "s.toml");
    } catch (const ScenarioError& error) {
        return error.what();
    }
    return "";
}

TEST(KernelClients, AClientHasAKernelAnImageAndMountOptions) {
    const ClientPlan client = parse_scenario(scenario_with("kernel = 'uml'"), "s.toml").clients.at(0);
    EXPECT_EQ("uml", client.kernel);
    EXPECT_EQ("base", client.image);
    EXPECT_EQ("hard,lock", client.mount_options);
    EXPECT_EQ("", parse_scenario(scenario_with(""), "s.toml").clients.at(0).kernel);
}

TEST(KernelClients, UnknownKernelsAndImagesAreRefusedWithWhatIsAllowed) {
    EXPECT_THAT(findings_of(scenario_with("kernel = 'plan9'")),
                HasSubstr("s.toml:8:10: [[client]]: there is no kernel 'plan9'; allowed: uml"));
    EXPECT_THAT(findings_of(scenario_with("kernel = 'uml'\nimage = 'tool'")),
                HasSubstr("there is no image 'tool'; allowed: base or tools"));
    EXPECT_THAT(findings_of(scenario_with("image = 'base'")), HasSubstr("image"));
}

TEST(KernelClients, TheyMountOneServer) {
    EXPECT_THAT(findings_of(scenario_with(
                    "kernel = 'uml'", "[[client]]\nname = 'beta'\ncommand = 'true'\nkernel = 'uml'\nserver = 'other'")),
                HasSubstr("clients with a kernel of their own mount one server, which 'server' is"));
}

TEST(KernelClients, AFaultThatDoesNotReachAGuestIsRefused) {
    EXPECT_THAT(
        findings_of(scenario_with("kernel = 'uml'", "[[fault]]\nkind = 'stop'\non = 'alpha'\nat = '1s'\nfor = '1s'")),
        HasSubstr("'alpha' has a kernel of its own, where 'stop' does not reach"));
    EXPECT_EQ("", findings_of(scenario_with("kernel = 'uml'",
                                            "[[fault]]\nkind = 'kill'\non = 'alpha'\nat = '1s'\nfor = '1s'")));
}

TEST(KernelClients, OnlyTheirServerIsFoundThroughAPortmapper) {
    const Scenario scenario = parse_scenario(scenario_with("kernel = 'uml'"), "s.toml");
    EXPECT_TRUE(is_mounted_by_a_kernel(scenario, "server"));
    EXPECT_FALSE(is_mounted_by_a_kernel(scenario, "other"));
}

TEST(KernelClients, WhatIsMissingForThemIsSaidWithTheClientAndTheRemedy) {
    require_guests(parse_scenario(scenario_with(""), "s.toml"));  // nobody needs any
    setenv("LOCKSTEP_UML_CACHE", "/nonexistent", 1);
    try {
        require_guests(parse_scenario(scenario_with("kernel = 'uml'"), "s.toml"));
        FAIL() << "there can be no image";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("client 'alpha' can't have a kernel of its own here: "));
    }
    unsetenv("LOCKSTEP_UML_CACHE");
}

}  // namespace
}  // namespace lockstep::harness
