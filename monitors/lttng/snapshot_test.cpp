// The snapshot reactor with a real flight recorder: what a program did before the violation is on disk afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "monitors/live/live_test_support.hpp"
#include "monitors/lttng/private_lttng.hpp"
#include "monitors/trace/babeltrace_source.hpp"
#include "reactors/reactor.hpp"

namespace lockstep::monitors {
namespace {

using namespace testing_support;

int lttng(const std::string& arguments) {
    return std::system(("HOME=/run LTTNG_HOME=/run lttng " + arguments + " >/dev/null 2>&1").c_str());
}

TEST(SnapshotReactor, WritesTheEventsBeforeTheViolationFromTheFlightRecorder) {
    enter_private_run_directories();
    setenv("LTTNG_HOME", "/run", 1);
    PrivateLttng daemons({.work_directory = "/run/lttng-daemons"});
    ASSERT_EQ(0, lttng("create flight --snapshot --output=/run/flight"));
    ASSERT_EQ(0, lttng("enable-event --userspace --session=flight 'lock_api:*'"));
    ASSERT_EQ(0, lttng("start flight"));
    const auto snapshot = reactors::make_reactor("snapshot:flight");
    EXPECT_EQ(0, start({"burst", "host/1", "20"}).wait());

    reactors::Report report;
    report.monitor = "some_property";
    snapshot->react(report);
    Recorder recorder;
    const auto source = BabeltraceSource::open_directory("/run/flight", lock_events());
    while (source->read(recorder) != EventSource::Status::end) {
    }
    EXPECT_EQ(40u, recorder.seen.size());
    EXPECT_THAT(std::filesystem::directory_iterator("/run/flight")->path().filename().string(),
                testing::HasSubstr("some_property-0001"));
    EXPECT_THROW(reactors::make_reactor("snapshot:nowhere")->react(report), reactors::ReactorError);
}

}  // namespace
}  // namespace lockstep::monitors
