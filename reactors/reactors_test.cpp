#include "reactors/reactor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "reactors/folder_for_test.hpp"

namespace lockstep::reactors {
namespace {

using ::testing::HasSubstr;

Report a_report() {
    Report report;
    report.monitor = "some_property";
    report.state = "here";
    report.event = "went";
    return report;
}

class Reactors : public FolderTest {};

TEST_F(Reactors, LogAppendsTheWholeReportToItsFile) {
    const auto log = make_reactor("log:" + (folder_ / "log").string());
    log->react(a_report());
    log->react(a_report());
    const std::string text = content(folder_ / "log");
    EXPECT_THAT(text, HasSubstr("some_property violated\n  in state here: event went()"));
    EXPECT_NE(text.find("violated"), text.rfind("violated"));
}

TEST_F(Reactors, LogDoesNotHoldItsFileSoThatItCanBeRotated) {
    const auto log = make_reactor("log:" + (folder_ / "log").string());
    log->react(a_report());
    std::filesystem::rename(folder_ / "log", folder_ / "log.1");
    log->react(a_report());
    EXPECT_THAT(content(folder_ / "log"), HasSubstr("some_property violated"));
    std::filesystem::remove(folder_ / "log");
    std::filesystem::create_directory(folder_ / "log");
    EXPECT_THROW(log->react(a_report()), ReactorError);
}

TEST_F(Reactors, LogWritesToStandardErrorWithoutAFile) {
    ::testing::internal::CaptureStderr();
    make_reactor("log")->react(a_report());
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("lockstep error: some_property violated"));
}

TEST_F(Reactors, DumpWritesOneWholeJsonFileAViolation) {
    const auto dump = make_reactor("dump:" + (folder_ / "made" / "here").string());
    dump->react(a_report());
    dump->react(a_report());
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "made" / "here")) {
        ++files;
        EXPECT_EQ(".json", entry.path().extension());
        EXPECT_EQ("went", nlohmann::json::parse(content(entry.path()))["event"]);
    }
    EXPECT_EQ(2u, files);
}

TEST_F(Reactors, DumpRefusesAFolderThatCannotBeMade) {
    std::ofstream(folder_ / "file") << "in the way";
    EXPECT_THROW(make_reactor("dump:" + (folder_ / "file" / "below").string()), ReactorError);
}

TEST_F(Reactors, AbortTellsFirstAndThenEndsTheProcessThatBrokeTheProperty) {
    const auto abort = make_reactor("abort");
    ASSERT_TRUE(abort->acts_in_place());
    const std::string line = "the violation in one line\n";
    EXPECT_EXIT(
        {
            signal(SIGABRT, [](int) { _exit(7); });  // a program's own handler does not save it
            abort->tell(line.data(), line.size());
            abort->act();
        },
        ::testing::KilledBySignal(SIGABRT), "the violation in one line");
}

TEST_F(Reactors, AnUnknownNameIsAnsweredWithTheKnownOnes) {
    try {
        make_reactor("explode");
        FAIL();
    } catch (const ReactorError& error) {
        EXPECT_THAT(error.what(),
                    HasSubstr("no reactor named explode; there are: abort, capture, dump, exec, log, snapshot, stop"));
    }
}

}  // namespace
}  // namespace lockstep::reactors
