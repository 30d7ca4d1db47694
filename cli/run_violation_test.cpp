// A violation is the same whether it comes as a struct from a live monitor or as JSON from an agent.
#include "cli/run_violation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace lockstep::cli {
namespace {

reactors::Report a_report() {
    reactors::Report report;
    report.monitor = "mutual_exclusion";
    report.keys = {{"file", "locks/file1", true}};
    report.origin = {18'446'744'073'709'551'615U, 4'026'532'000U, 7, 8, 1};
    report.state = "held";
    report.event = "grant";
    report.tracepoint = "lock_api:acquired";
    report.fields = {{"last_byte", "18446744073709551615"}, {"owner", "client1/1", true}};
    report.allowed_events = {"grant", "release"};
    report.event_is_guarded = true;
    report.registers = {{"held", "ranges", {{{"first", "1"}, {"owner", "client2/1", true}}}}};
    report.history = {{{5, 6, 7, 8, 0}, "grant", {{"owner", "client2/1", true}}, "free", "held"}};
    report.history_omitted = 3;
    report.dot_source = "digraph mutual_exclusion {}";
    return report;
}

// Everything of a violation as text, fields in the order of their names: JSON objects have no other.
std::string text_of(std::vector<harness::Field> fields) {
    std::ranges::sort(fields, {}, &harness::Field::name);
    std::string text;
    for (const harness::Field& field : fields) text += field.name + "=" + field.value + ",";
    return text;
}

std::string text_of(const harness::ContextEvent& event) {
    return std::to_string(event.time_ns) + " " + std::to_string(event.net_ns) + " " + std::to_string(event.pid) + " " +
           std::to_string(event.tid) + " " + event.name + " " + text_of(event.fields) + " " + event.from_state + ">" +
           event.to_state + "\n";
}

std::string text_of(const harness::Violation& violation) {
    std::string text = text_of(violation.keys) + "\n" + text_of(violation.event) + violation.tracepoint;
    for (const std::string& event : violation.allowed_events) text += " " + event;
    text += violation.event_is_guarded ? " guarded\n" : "\n";
    for (const harness::RegisterContent& content : violation.registers) {
        text += content.name + " " + content.kind + "\n";
        for (const auto& row : content.rows) text += text_of(row) + "\n";
    }
    for (const harness::ContextEvent& event : violation.history) text += text_of(event);
    return text + std::to_string(violation.history_omitted) + violation.dot_source;
}

TEST(Violation, TheStructAndItsJsonSayTheSame) {
    const reactors::Report report = a_report();
    EXPECT_EQ(text_of(violation_of(report)), text_of(violation_of(nlohmann::json::parse(reactors::to_json(report)))));
}

TEST(Violation, NothingOfTheReportIsLost) {
    EXPECT_EQ(text_of(violation_of(a_report())),
              "file=locks/file1,\n"
              "18446744073709551615 4026532000 7 8 grant last_byte=18446744073709551615,owner=client1/1, held>\n"
              "lock_api:acquired grant release guarded\n"
              "held ranges\n"
              "first=1,owner=client2/1,\n"
              "5 6 7 8 grant owner=client2/1, free>held\n"
              "3digraph mutual_exclusion {}");
}

TEST(Violation, JsonOfSomethingElseIsAnExceptionAndNoCrash) {
    for (const char* text : {"{}", "[]", "null", R"({"keys":5})", R"({"keys":{},"origin":{}})"})
        EXPECT_THROW(violation_of(nlohmann::json::parse(text)), nlohmann::json::exception) << text;
}

}  // namespace
}  // namespace lockstep::cli
