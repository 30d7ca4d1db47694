#include "reactors/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace lockstep::reactors {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Report a_double_grant() {
    Report report;
    report.monitor = "mutual_exclusion";
    report.keys = {{"file", "/a", true}};
    report.origin = {5'000'000, 4026531840, 12, 13, 1};
    report.state = "held";
    report.event = "grant";
    report.tracepoint = "lock_api:acquired";
    report.fields = {{"owner", "b/1", true}, {"last_byte", "18446744073709551615", false}};
    report.allowed_events = {"grant", "release"};
    report.event_is_guarded = true;
    report.registers = {{"holders", "ranges", {{{"owner", "a/1", true}, {"first", "0", false}}}, 2}};
    report.history = {{{4'000'000, 1, 2, 3, 0}, "grant", {{"owner", "a/1", true}}, "free", "held"}};
    report.history_omitted = 7;
    report.dot_source = "digraph mutual_exclusion {}";
    report.dot_file = "mutual_exclusion.dot";
    return report;
}

TEST(ReportText, TellsWhoDidWhatInWhichStateAndWhatLedThere) {
    const std::string text = to_text(a_double_grant());
    EXPECT_THAT(text, HasSubstr("mutual_exclusion violated for file=\"/a\""));
    EXPECT_THAT(text, HasSubstr("in state held: event grant(owner=\"b/1\", last_byte=2^64-1)"));
    EXPECT_THAT(text, HasSubstr("pid 12 tid 13 net_ns 4026531840; no guard of \"grant\" held"));
    EXPECT_THAT(text, HasSubstr("holders (ranges): owner=\"a/1\" first=0"));
    EXPECT_THAT(text, HasSubstr("holders: 2 more"));
    EXPECT_THAT(text, HasSubstr("7 earlier"));
    EXPECT_THAT(text, HasSubstr("-0.001000 s  free -> held  grant(owner=\"a/1\")"));
}

TEST(ReportText, AForbiddenEventNamesTheAllowedOnes) {
    Report report = a_double_grant();
    report.event_is_guarded = false;
    EXPECT_THAT(to_text(report), HasSubstr("allowed there: grant, release"));
}

TEST(ReportText, AWatchedProgramCannotSendControlCharactersToTheTerminal) {
    Report report = a_double_grant();
    report.keys[0].value = "a\x1b[2J\n";
    EXPECT_THAT(to_text(report), Not(HasSubstr("\x1b")));
    EXPECT_THAT(to_text(report), HasSubstr("a\\x1b[2J\\x0a"));
}

TEST(ReportJson, CarriesEveryPartUnderTheStructsNames) {
    const auto json = nlohmann::json::parse(to_json(a_double_grant()));
    EXPECT_EQ("/a", json["keys"]["file"]);
    EXPECT_EQ(4026531840, json["origin"]["net_ns"]);
    EXPECT_EQ("18446744073709551615", json["fields"]["last_byte"]);
    EXPECT_EQ("a/1", json["registers"][0]["rows"][0]["owner"]);
    EXPECT_EQ("free", json["history"][0]["from_state"]);
    EXPECT_EQ(7, json["history_omitted"]);
    EXPECT_EQ("digraph mutual_exclusion {}", json["dot_source"]);
}

TEST(ReportJson, BytesThatAreNotUtf8AreReplacedRatherThanRefused) {
    Report report = a_double_grant();
    report.keys[0].value = "\xff\xfe";
    EXPECT_NO_THROW(nlohmann::json::parse(to_json(report)));
}

}  // namespace
}  // namespace lockstep::reactors
