// The reports: verdicts, the table, the counterexample with its lanes, and JSON that a program can read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "netns_harness/counterexample.hpp"
#include "netns_harness/result.hpp"

namespace lockstep::harness {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

std::vector<Field> lock_fields(const std::string& owner, const std::string& first, const std::string& last,
                               const std::string& mode) {
    return {{"file", "locks/file2"}, {"owner", owner}, {"first_byte", first}, {"last_byte", last}, {"mode", mode}};
}

// client3/1 holds [100, 200] exclusively since 2 ms, client2/1 has let go, and client1/2 gets [150, end] at 5 ms.
Violation double_grant() {
    Violation violation;
    violation.keys = {{"file", "locks/file2"}};
    violation.history = {
        {1'001'000'000, 22, 7, 8, "grant", lock_fields("client2/1", "0", "50", "3"), "free", "held"},
        {1'002'000'000, 33, 7, 9, "grant", lock_fields("client3/1", "100", "200", "5"), "held", "held"},
        {1'003'000'000,
         22,
         7,
         8,
         "release",
         {{"file", "locks/file2"}, {"owner", "client2/1"}, {"first_byte", "0"}, {"last_byte", "50"}},
         "held",
         "held"},
    };
    violation.event = {1'005'000'000, 11, 5, 6, "grant", lock_fields("client1/2", "150", "18446744073709551615", "5"),
                       "held",        ""};
    violation.tracepoint = "lock_api:acquired";
    violation.allowed_events = {"grant", "release"};
    violation.event_is_guarded = true;
    violation.registers = {
        {"holders", "ranges", {{{"owner", "client3/1"}, {"first", "100"}, {"last", "200"}, {"mode", "5"}}}}};
    return violation;
}

RunResult violated_run() {
    RunResult result;
    result.scenario = "locks";
    result.seed = 4711;
    result.start_ns = 1'000'000'000;
    result.hosts = {{"server", "10.77.0.1", 1},
                    {"client1", "10.77.0.2", 11},
                    {"client2", "10.77.0.3", 22},
                    {"client3", "10.77.0.4", 33}};
    result.faults = {{"double_grant", "server", {1'000, 2'000}}};
    PropertyResult property;
    property.name = "mutual_exclusion";
    property.attached = "live";
    property.contexts = 3;
    property.events = 1234;
    property.verdict = Verdict::violated;
    property.violation_count = 1;
    property.violations = {double_grant()};
    result.properties = {property};
    result.clients = {
        {.name = "client1", .turns = 10, .reads = 8, .writes = 7, .events = 40, .first_oracle_failures = {}}};
    return result;
}

PropertyResult property_with(Verdict verdict) {
    PropertyResult property;
    property.verdict = verdict;
    return property;
}

TEST(Verdict, AnyViolationViolatesTheRun) {
    RunResult result;
    result.properties = {property_with(Verdict::ok), property_with(Verdict::inconclusive),
                         property_with(Verdict::violated)};
    result.problems = {"interrupted"};
    EXPECT_EQ(result.verdict(), Verdict::violated);
}

TEST(Verdict, TheOracleAloneViolatesTheRun) {
    RunResult result;
    result.properties = {property_with(Verdict::ok)};
    result.clients.resize(2);
    result.clients[0].reads = 1;
    EXPECT_EQ(result.verdict(), Verdict::ok);
    result.clients[1].oracle_failures = 1;
    EXPECT_EQ(result.verdict(), Verdict::violated);
}

TEST(Verdict, AnOracleThatComparedNothingIsNeverOk) {
    RunResult result;
    result.properties = {property_with(Verdict::ok)};
    result.clients.resize(1);
    EXPECT_EQ(result.verdict(), Verdict::inconclusive);
    EXPECT_THAT(to_report(result, 80, false), HasSubstr("(workload's oracle)"));
}

TEST(Verdict, CommandsAreJudgedByTheirExitStatusAndHaveNoOracle) {
    RunResult result;
    result.properties = {property_with(Verdict::ok)};
    result.clients = {{.name = "client1", .has_oracle = false, .commands = 1, .first_oracle_failures = {}}};
    EXPECT_EQ(result.verdict(), Verdict::ok);
    const std::string report = to_report(result, 80, false);
    EXPECT_THAT(report, Not(HasSubstr("oracle")));
    EXPECT_THAT(report, HasSubstr("(exit status)         1 commands"));
    EXPECT_THAT(report, Not(HasSubstr("went on until")));
    result.clients[0].ended_commands = 1;
    EXPECT_THAT(to_report(result, 80, false), HasSubstr("1 went on until the run ended them"));
    result.clients[0].failed_commands = 1;
    EXPECT_EQ(result.verdict(), Verdict::inconclusive);
}

TEST(Verdict, OneInconclusivePropertyOrAProblemIsNeverOk) {
    RunResult result;
    result.properties = {property_with(Verdict::ok), property_with(Verdict::inconclusive)};
    EXPECT_EQ(result.verdict(), Verdict::inconclusive);
    result.properties.pop_back();
    EXPECT_EQ(result.verdict(), Verdict::ok);
    result.problems = {"client1 did not end in time"};
    EXPECT_EQ(result.verdict(), Verdict::inconclusive);
}

TEST(Report, ARemarkIsToldAndJudgesNothing) {
    RunResult result;
    result.properties = {property_with(Verdict::ok)};
    result.remarks = {"LTTng did not start at try 1 of 3"};
    EXPECT_EQ(result.verdict(), Verdict::ok);
    EXPECT_THAT(to_report(result, 80, false), HasSubstr("remark: LTTng did not start at try 1 of 3\n"));
    EXPECT_THAT(to_json(result), HasSubstr("LTTng did not start at try 1 of 3"));
}

TEST(Counterexample, ItNamesFileRangesBothOwnersAndTheirNamespaces) {
    const RunResult result = violated_run();
    const auto lines = explain(result.properties[0].violations[0], {result.hosts, result.start_ns});
    EXPECT_THAT(lines, Contains("context    file locks/file2"));
    EXPECT_THAT(lines,
                Contains("event      grant client1/2 [150, end] EX, on client1 (namespace 11, process 5, thread 6)"));
    EXPECT_THAT(lines,
                Contains("conflicts  client3/1 holds [100, 200] EX, on client3 (namespace 33, process 7, thread 9)"));
    EXPECT_THAT(lines, Contains("in state   held, where grant is allowed only under a guard that did not hold"));
    EXPECT_THAT(lines, Contains("allowed    grant, release"));
}

TEST(Counterexample, OnlyOverlappingIncompatibleLocksOfOthersConflict) {
    const RunResult result = violated_run();
    Violation violation = double_grant();
    auto& rows = violation.registers[0].rows;
    rows = {{{"owner", "client1/2"}, {"first", "100"}, {"last", "200"}, {"mode", "5"}},   // its own
            {{"owner", "client3/1"}, {"first", "100"}, {"last", "149"}, {"mode", "5"}},   // just before
            {{"owner", "client3/1"}, {"first", "150"}, {"last", "150"}, {"mode", "0"}}};  // compatible
    const auto conflicts = [&] {
        const auto lines = explain(violation, {result.hosts, result.start_ns});
        return std::ranges::count_if(lines, [](const std::string& line) { return line.starts_with("conflicts"); });
    };
    EXPECT_EQ(conflicts(), 0);
    rows.push_back({{"owner", "client3/1"}, {"first", "150"}, {"last", "150"}, {"mode", "3"}});
    EXPECT_EQ(conflicts(), 1);
}

TEST(Counterexample, LanesShowEachEventUnderItsHostInTimeAndMarkTheLast) {
    const RunResult result = violated_run();
    const auto lines = draw_lanes(result.properties[0].violations[0], {result.hosts, result.start_ns}, 140);
    ASSERT_EQ(lines.size(), 6U);
    const auto column = [&](const char* host) { return lines[0].find(host); };
    EXPECT_EQ(lines[0].find("server"), std::string::npos);  // it took no part
    EXPECT_EQ(lines[2].find("  grant client2/1 [0, 50] PR"), column("client2"));
    EXPECT_THAT(lines[2], HasSubstr("free → held"));
    EXPECT_THAT(lines[2], HasSubstr("1.000"));
    EXPECT_EQ(lines[3].find("• grant client3/1 [100, 200] EX"), column("client3"));
    EXPECT_EQ(lines[4].find("  release client2/1 [0, 50]"), column("client2"));
    EXPECT_EQ(lines[5].find("✗ grant client1/2 [150, end] EX"), column("client1"));
    EXPECT_TRUE(lines[5].starts_with(">"));
    EXPECT_THAT(lines[5], HasSubstr("held ✗"));
}

TEST(Counterexample, LanesStayWithinANarrowTerminal) {
    const RunResult result = violated_run();
    for (const std::string& line : draw_lanes(result.properties[0].violations[0], {result.hosts, result.start_ns}, 100))
        EXPECT_LE(std::ranges::count_if(line, [](unsigned char c) { return (c & 0xc0U) != 0x80U; }), 100) << line;
}

TEST(Counterexample, AnUnknownNamespaceAndNoHistoryAreShownAsSuch) {
    Violation violation = double_grant();
    violation.history.clear();
    violation.history_omitted = 5;
    violation.event.net_ns = 99;
    const RunResult result = violated_run();
    const auto lines = draw_lanes(violation, {result.hosts, result.start_ns}, 100);
    EXPECT_THAT(lines[0], HasSubstr("namespace 99"));
    EXPECT_THAT(lines[2], HasSubstr("5 earlier events"));
}

TEST(Report, TheTableHasOneRowAPropertyAndTheVerdictEnds) {
    const std::string report = to_report(violated_run(), 120, false);
    EXPECT_THAT(report, HasSubstr("seed 4711"));
    EXPECT_THAT(report, HasSubstr("DELIBERATE FAULT: double_grant in server"));
    EXPECT_THAT(report,
                HasSubstr("mutual_exclusion      live                           3        1234           1  violated"));
    EXPECT_THAT(report, HasSubstr("violation 1 of 1 of mutual_exclusion"));
    EXPECT_THAT(report, HasSubstr("\nverdict: violated\n"));
    EXPECT_THAT(report, Not(HasSubstr("\033")));
    EXPECT_THAT(to_report(violated_run(), 120, true), HasSubstr("\033[1;31mviolated"));
}

TEST(Report, ProblemsAndReasonsAreShown) {
    RunResult result = violated_run();
    result.problems = {"client2 left no summary"};
    result.properties[0].verdict = Verdict::inconclusive;
    result.properties[0].reasons = {"12 events were lost"};
    const std::string report = to_report(result, 120, false);
    EXPECT_THAT(report, HasSubstr("PROBLEM: client2 left no summary"));
    EXPECT_THAT(report, HasSubstr("12 events were lost"));
}

TEST(Report, TheJsonHasVerdictPropertiesAndTheCounterexample) {
    const auto json = nlohmann::json::parse(to_json(violated_run()));
    EXPECT_EQ(json["verdict"], "violated");
    EXPECT_EQ(json["seed"], 4711);
    EXPECT_EQ(json["properties"][0]["events"], 1234);
    const auto& violation = json["properties"][0]["violations"][0];
    EXPECT_EQ(violation["event"]["host"], "client1");
    EXPECT_EQ(violation["event"]["fields"]["last_byte"], "18446744073709551615");
    EXPECT_EQ(violation["history"].size(), 3U);
    EXPECT_EQ(violation["history"][1]["host"], "client3");
    EXPECT_EQ(violation["registers"][0]["rows"][0]["owner"], "client3/1");
}

TEST(Report, ANameThatIsNotUtf8IsNoError) {
    RunResult result = violated_run();
    result.properties[0].violations[0].keys[0].value = "caf\xe9";
    EXPECT_NO_THROW(nlohmann::json::parse(to_json(result)));
}

}  // namespace
}  // namespace lockstep::harness
