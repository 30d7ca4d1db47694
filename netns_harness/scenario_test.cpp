// Scenario files: what is right is read, what is wrong is said with line, column and what is allowed, all at once.
#include "netns_harness/scenario.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep::harness {
namespace {

using testing::HasSubstr;

constexpr const char* smallest = R"(name = "small"
[[server]]
[[workload]]
name = "w"
kind = "byte_range_locks"
[[client]]
workload = "w"
)";

// What is said of a scenario; empty when nothing.
std::string findings_of(const std::string& text) {
    try {
        parse_scenario(text, "x.toml");
    } catch (const ScenarioError& error) {
        return error.what();
    }
    return "";
}

TEST(Scenario, TheOneInTheRepositoryIsRead) {
    const Scenario scenario =
        read_scenario(std::string(std::getenv("LOCKSTEP_SOURCE_DIR")) + "/netns_harness/scenarios/locks.toml");
    EXPECT_EQ(scenario.name, "locks");
    EXPECT_EQ(scenario.duration, milliseconds(3000));
    EXPECT_FALSE(scenario.seed);
    ASSERT_EQ(scenario.servers.size(), 1U);
    EXPECT_EQ(scenario.servers[0].nlm_port, 2049);
    ASSERT_EQ(scenario.clients.size(), 3U);
    EXPECT_EQ(scenario.clients[2].name, "client3");
    EXPECT_EQ(scenario.workload("locks").owners, 2U);
    ASSERT_EQ(scenario.properties.size(), 3U);
    EXPECT_EQ(scenario.properties[0].attach, Attach::live);
    EXPECT_EQ(scenario.properties[1].attach, Attach::in_process);
    EXPECT_EQ(scenario.properties[1].to, "server");
}

TEST(Scenario, WhatIsLeftOutHasDefaults) {
    const Scenario scenario = parse_scenario(smallest, "x.toml");
    EXPECT_EQ(scenario.subnet, "10.77.0.0/24");
    EXPECT_EQ(scenario.server("server").port, 2049);
    ASSERT_EQ(scenario.clients.size(), 1U);
    EXPECT_EQ(scenario.clients[0].name, "client");
}

TEST(Scenario, ThreePortsMayDiffer) {
    const Scenario scenario = parse_scenario(
        std::string(smallest) + "[[server]]\nname = \"b\"\nport = 1\nmount_port = 2\nnlm_port = 3\n", "x.toml");
    EXPECT_EQ(scenario.server("b").mount_port, 2);
    EXPECT_EQ(scenario.server("b").nlm_port, 3);
}

TEST(Scenario, ASyntaxErrorHasLineAndColumn) {
    EXPECT_THAT(findings_of("name = \"x\"\nduration = = 3\n"), HasSubstr("x.toml:2:12: "));
}

TEST(Scenario, AnUnknownKeyIsRefusedNamingWhatIsAllowed) {
    const std::string findings = findings_of(std::string(smallest) + "wrkload = \"w\"\n");
    EXPECT_EQ(findings, "x.toml:8:1: [[client]]: unknown key 'wrkload'; allowed: name, count, workload or command");
}

TEST(Scenario, AnUnknownTableIsRefused) {
    EXPECT_THAT(findings_of(std::string(smallest) + "[[fold]]\nname = \"x\"\n"),
                HasSubstr("x.toml:8:3: scenario: unknown key 'fold'"));
}

TEST(Scenario, AFaultNamesHostsOrAllOfAClientsCount) {
    const Scenario scenario =
        parse_scenario(std::string(smallest) +
                           "[[client]]\nname = \"c\"\ncount = 2\nworkload = \"w\"\n"
                           "[[fault]]\nkind = \"stop\"\non = [\"server\", \"c\"]\npick = \"one\"\n"
                           "every = \"200ms\"\nfor = \"50ms\"\n",
                       "x.toml");
    ASSERT_EQ(scenario.faults.size(), 1U);
    const FaultPlan& fault = scenario.faults[0];
    EXPECT_EQ(fault.on, (std::vector<std::string>{"server", "c1", "c2"}));
    EXPECT_TRUE(fault.pick_one);
    EXPECT_EQ(fault.every, milliseconds(200));
    EXPECT_EQ(fault.lasts, milliseconds(50));
    EXPECT_EQ(fault.times, 0U) << "again and again";
    EXPECT_EQ(fault.text(), "stop of one of server, c1, c2");
}

TEST(Scenario, AFaultOfALinkHasTheKeysOfItsKindAndNoOthers) {
    const std::string start = std::string(smallest) + "[[fault]]\non = \"client\"\nat = \"1s\"\n";
    const FaultPlan loss =
        parse_scenario(start + "kind = \"loss\"\npercent = 7\nfrom = \"server\"\ndirection = \"in\"\n", "x.toml")
            .faults[0];
    EXPECT_EQ(loss.link.kind, LinkRule::Kind::loss);
    EXPECT_EQ(loss.link.percent, 7U);
    EXPECT_FALSE(loss.link.out);
    EXPECT_TRUE(loss.link.in);
    EXPECT_EQ(loss.text(), "loss of client from server");
    EXPECT_THAT(findings_of(start + "kind = \"loss\"\n"), HasSubstr("key 'percent' is missing"));
    EXPECT_THAT(findings_of(start + "kind = \"loss\"\npercent = 101\n"), HasSubstr("from 1 to 100"));
    EXPECT_THAT(findings_of(start + "kind = \"partition\"\npercent = 1\n"), HasSubstr("unknown key 'percent'"));
    EXPECT_THAT(findings_of(start + "kind = \"delay\"\ndelay = \"1ms\"\njitter = \"2ms\"\n"),
                HasSubstr("'jitter' is at most as long as 'delay'"));
    EXPECT_THAT(findings_of(start + "kind = \"reset\"\nfor = \"1s\"\n"), HasSubstr("unknown key 'for'"));
    EXPECT_THAT(findings_of(std::string(smallest) + "[[fault]]\non = \"server\"\nat = \"1s\"\nkind = \"vanish\"\n"),
                HasSubstr("'vanish' befalls clients; 'server' is a server"));
}

TEST(Scenario, WhatIsWrongWithAFaultIsSaidWithItsPlace) {
    const std::string findings =
        findings_of(std::string(smallest) +
                    "[[fault]]\nkind = \"explode\"\non = \"nobody\"\n"
                    "[[fault]]\nkind = \"kill\"\non = \"server\"\nat = \"1s\"\nevery = \"1s\"\n"
                    "[[fault]]\nkind = \"kill\"\non = \"server\"\nat = \"1s\"\nfor = \"10ms\"\n"
                    "[[fault]]\nkind = \"stop\"\nafter = \"granted\"\n");
    EXPECT_THAT(findings, HasSubstr("x.toml:9:8: [[fault]]: there is no fault 'explode'; allowed: kill, "));
    EXPECT_THAT(findings, HasSubstr("x.toml:10:6: [[fault]]: 'on' names 'nobody', which is not there; allowed: "));
    EXPECT_THAT(findings, HasSubstr("a fault has exactly one of 'at', 'every' and 'after'"));
    EXPECT_THAT(
        findings,
        HasSubstr("x.toml:18:6: [[fault]]: 'server' has the disk memory:64M, which is no file and ends with it: give "
                  "it scratch:SIZE or file:PATH:SIZE"));
    EXPECT_THAT(findings, HasSubstr("'after' must be a tracepoint"));
    EXPECT_THAT(findings, HasSubstr("key 'on' is missing"));
}

TEST(Scenario, EveryErrorIsReportedAtOnceInOrder) {
    const std::string findings = findings_of(R"(duration = "3 parsecs"
[[server]]
port = 70000
[[workload]]
name = "w"
kind = "dancing"
[[client]]
workload = "v"
[[property]]
name = "p"
attach = "glue"
)");
    EXPECT_THAT(findings, HasSubstr("x.toml:1:1: scenario: key 'name' is missing"));
    EXPECT_THAT(findings, HasSubstr("x.toml:1:12: scenario: '3 parsecs' is no duration"));
    EXPECT_THAT(findings, HasSubstr("x.toml:3:8: [[server]]: 'port' must be a whole number from 1 to 65535"));
    EXPECT_THAT(findings,
                HasSubstr("x.toml:6:8: [[workload]]: there is no workload 'dancing'; allowed: byte_range_locks"));
    EXPECT_THAT(findings, HasSubstr("x.toml:8:12: [[client]]: 'workload' names 'v', which is not there; allowed: w"));
    EXPECT_THAT(findings,
                HasSubstr("x.toml:11:10: [[property]]: there is no way 'glue' to attach; allowed: live or in-process"));
    EXPECT_EQ(std::ranges::count(findings, '\n'), 5);
}

TEST(Scenario, ValuesOfTheWrongTypeAreRefused) {
    EXPECT_THAT(findings_of(std::string(smallest) + "count = \"3\"\n"),
                HasSubstr("'count' must be a whole number from 1 to 250"));
    EXPECT_THAT(findings_of("name = 5\n"), HasSubstr("'name' must be a text in quotes"));
    EXPECT_THAT(findings_of("server = 5\n"), HasSubstr("[[server]]"));
    EXPECT_THAT(findings_of("network = 5\n"), HasSubstr("[network]"));
    EXPECT_THAT(findings_of("[[server]]\narguments = [1, 2]\n"), HasSubstr("'arguments' must be an array of texts"));
}

TEST(Scenario, AClientHasEitherAWorkloadOrACommand) {
    const std::string head = "name = \"x\"\n[[server]]\n[[workload]]\nname = \"w\"\nkind = \"byte_range_locks\"\n";
    EXPECT_EQ(findings_of(head + "[[client]]\ncommand = \"true\"\n"), "");
    EXPECT_THAT(findings_of(head + "[[client]]\n"), HasSubstr("either a 'workload' or a 'command'"));
    EXPECT_THAT(findings_of(head + "[[client]]\nworkload = \"w\"\ncommand = \"true\"\n"),
                HasSubstr("either a 'workload' or a 'command'"));
    EXPECT_THAT(findings_of(head + "[[client]]\ncommand = \"true\"\nserver = \"other\"\n"),
                HasSubstr("names 'other', which is not there"));
}

TEST(Scenario, AServerAndAClientAreNeeded) {
    const std::string findings = findings_of("name = \"x\"\n");
    for (const char* table : {"[[server]]", "[[client]]"})
        EXPECT_THAT(findings, HasSubstr(std::string("at least one ") + table));
}

TEST(Scenario, NodesOfALockServiceNeedNoServer) {
    const std::string text =
        "name = \"x\"\n[[client]]\nworkload = \"w\"\n[[workload]]\nname = \"w\"\nkind = \"dlm_locks\"\n";
    const Scenario scenario = parse_scenario(text + "resources = 6\n", "x.toml");
    EXPECT_TRUE(scenario.servers.empty());
    EXPECT_EQ(scenario.workload("w").files, 6U);
    EXPECT_THAT(findings_of(text + "region = 5\n"), HasSubstr("unknown key 'region'"));
    EXPECT_THAT(findings_of(text + "[[workload]]\nname = \"v\"\nkind = \"byte_range_locks\"\n"),
                HasSubstr("at least one [[server]]"));
}

TEST(Scenario, HostNamesAreUniqueAndFitForDevices) {
    EXPECT_THAT(findings_of(std::string(smallest) + "name = \"server\"\n"),
                HasSubstr("there is a host 'server' already"));
    EXPECT_THAT(findings_of(std::string(smallest) + "name = \"a/../b\"\n"), HasSubstr("is no host name"));
    EXPECT_THAT(findings_of(std::string(smallest) + "name = \"abcdefghijklm\"\n"), HasSubstr("is no host name"));
    EXPECT_THAT(findings_of(std::string(smallest) + "name = \"abcdefghijk\"\ncount = 12\n"),
                HasSubstr("'abcdefghijk10' is no host name"));
}

TEST(Scenario, ToBelongsToInProcessAndIsNeededThere) {
    const std::string property = std::string(smallest) + "[[property]]\nname = \"p\"\n";
    EXPECT_THAT(findings_of(property + "attach = \"in-process\"\n"), HasSubstr("key 'to' is missing"));
    EXPECT_THAT(findings_of(property + "attach = \"in-process\"\nto = \"client\"\n"), HasSubstr("allowed: server"));
    EXPECT_THAT(findings_of(property + "attach = \"live\"\nto = \"server\"\n"), HasSubstr("leave 'to' out"));
}

TEST(Scenario, AFileThatIsNotThereIsAnError) {
    EXPECT_THROW(read_scenario("/nonexistent.toml"), Error);
    EXPECT_THROW(read_scenario("/"), Error);
}

TEST(Scenario, BytesThatAreNoTomlAreAnErrorAndNoCrash) {
    for (const std::string& text : {std::string("\0\1\2", 3), std::string("\xff\xfe"), std::string("[[[["),
                                    std::string(100'000, '['), std::string("a.a.a = 1\na = 2")})
        EXPECT_NE(findings_of(text), "");
}

TEST(Duration, UnitsAreMillisecondsSecondsAndMinutes) {
    EXPECT_EQ(parse_duration("500ms"), milliseconds(500));
    EXPECT_EQ(parse_duration("3s"), milliseconds(3000));
    EXPECT_EQ(parse_duration("2m"), milliseconds(120'000));
}

TEST(Duration, AnythingElseIsRefused) {
    for (const char* text :
         {"", "3", "s", "0s", "-3s", "3 s", "3h", "1.5s", "99999999999999999999s", "9223372036854775807m", "2000m"})
        EXPECT_THROW(parse_duration(text), Error) << text;
}

}  // namespace
}  // namespace lockstep::harness
