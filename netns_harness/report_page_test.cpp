#include "netns_harness/report_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep::harness {
namespace {

using testing::HasSubstr;
using testing::Not;

RunResult violated_run() {
    RunResult result;
    result.scenario = "a <script> & \"b\"";
    PropertyResult violated;
    violated.name = "mutual_exclusion";
    violated.verdict = Verdict::violated;
    violated.violation_count = 2;
    violated.edges = {{"free", "grant", "held", 7, 12}};
    Violation violation;
    violation.event.name = "grant";
    violation.event.fields = {{"file", "</script><script>alert(1)</script>"}};
    violated.violations = {violation};
    PropertyResult open;
    open.name = "two_phase_locking";
    open.reasons = {"3 events were lost"};
    PropertyResult good;
    good.name = "reply_after_commit";
    good.verdict = Verdict::ok;
    result.properties = {violated, open, good};
    result.samples = {{milliseconds(100), 5, 1, 0}};
    result.injected_faults = {{.kind = "kill", .hosts = {"server"}, .begin_ns = 5, .end_ns = 9}};
    return result;
}

TEST(Page, ItHoldsTheResultAndTheDrawingsAndNeedsNoNetwork) {
    const std::string page =
        to_page(to_json(violated_run()), {{"mutual_exclusion", "<?xml version=\"1.0\"?>\n<svg id=\"drawn\"></svg>"}});
    EXPECT_THAT(page, HasSubstr("<div class=\"drawing\" data-automaton=\"mutual_exclusion\"><svg id=\"drawn\">"));
    EXPECT_THAT(page, HasSubstr("\"taken\": 12"));
    EXPECT_THAT(page, HasSubstr("\"at_ms\": 100"));
    EXPECT_THAT(page, HasSubstr("\"text\": \"kill of server\"")) << "for its band";
    EXPECT_THAT(page, Not(HasSubstr("<?xml")));
    for (const char* fetched : {" src=", "<link", "@import", "url("}) EXPECT_THAT(page, Not(HasSubstr(fetched)));
}

TEST(Page, NothingInARunBreaksOutOfThePage) {
    const std::string page = to_page(to_json(violated_run()), {});
    EXPECT_THAT(page, Not(HasSubstr("alert(1)</script>")));
    EXPECT_THAT(page, HasSubstr("\\u003c/script>\\u003cscript>alert(1)"));
}

TEST(Page, WhatIsNoResultIsRefused) {
    EXPECT_THROW(to_page("[]", {}), Error);
    EXPECT_THROW(to_page("{", {}), Error);
    EXPECT_THROW(to_page("{}", {}), Error);
}

TEST(Junit, AViolationIsAFailureAndInconclusiveAnError) {
    const std::string xml = to_junit(violated_run());
    EXPECT_THAT(xml, HasSubstr("tests=\"4\" failures=\"1\" errors=\"1\""));
    EXPECT_THAT(xml, HasSubstr("<failure message=\"2 violations\" type=\"violated\"/>"));
    EXPECT_THAT(xml, HasSubstr("<error message=\"3 events were lost\" type=\"inconclusive\"/>"));
    EXPECT_THAT(xml, HasSubstr("classname=\"a &lt;script&gt; &amp; &quot;b&quot;\" name=\"reply_after_commit\"/>"));
}

TEST(Junit, OraclesAndCommandsAreTestCasesWhereThereAreSome) {
    RunResult result = violated_run();
    EXPECT_THAT(to_junit(result), Not(HasSubstr("oracle")));
    result.clients = {
        {.name = "client1", .reads = 2, .first_oracle_failures = {}},
        {.name = "client2", .has_oracle = false, .commands = 2, .failed_commands = 1, .first_oracle_failures = {}}};
    const std::string xml = to_junit(result);
    EXPECT_THAT(xml, HasSubstr("name=\"workload's oracle\"/>"));
    EXPECT_THAT(xml, HasSubstr("name=\"commands' exit statuses\">\n      <error"));
}

TEST(Junit, AProblemOfTheRunIsAnError) {
    RunResult result = violated_run();
    result.problems = {"client1 hung"};
    EXPECT_THAT(to_junit(result), HasSubstr("name=\"the run itself\">\n      <error message=\"client1 hung\""));
}

}  // namespace
}  // namespace lockstep::harness
