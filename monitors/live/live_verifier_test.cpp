// The compiled mutual_exclusion property on real programs: live and offline, with one verdict.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "monitors/live/live_test_support.hpp"
#include "monitors/live/live_verifier.hpp"
#include "monitors/live/watch.hpp"
#include "monitors/lttng/private_lttng.hpp"
#include "monitors/offline/offline_verifier.hpp"

namespace lockstep::monitors {
namespace {

using namespace std::chrono_literals;
using namespace testing_support;

class VerifierTest : public testing::Test {
 protected:
    void SetUp() override {
        enter_private_run_directories();
        lttng = std::make_unique<PrivateLttng>(PrivateLttngOptions{.work_directory = "/run/trace"});
        options.relay_url = lttng->relay_url();
        options.viewer_url = lttng->viewer_url();
        options.keep_trace = true;
    }

    static std::unique_ptr<Monitor> load() { return Monitor::load(find_monitor("mutual_exclusion")); }

    // A program in a network namespace of its own, which lives as long as this object.
    class Locker {
     public:
        Locker(const std::string& owner, std::uint64_t byte) : byte_(byte) {
            int input[2], output[2];
            EXPECT_EQ(0, pipe2(input, O_CLOEXEC));
            EXPECT_EQ(0, pipe2(output, O_CLOEXEC));
            program_ = start({"relay", owner, std::to_string(byte + 1), "own_net_ns"}, false, input[0], output[1]);
            input_ = input[1], output_ = output[0];
            close(input[0]), close(output[1]);
        }
        ~Locker() {
            close(input_), close(output_);
            program_.wait();
        }
        // Acquires the byte of "/relay" exclusively, for ever.
        void acquire() {
            EXPECT_EQ(static_cast<ssize_t>(sizeof byte_), write(input_, &byte_, sizeof byte_));
            std::uint64_t answer = 0;
            EXPECT_EQ(static_cast<ssize_t>(sizeof answer), read(output_, &answer, sizeof answer));
        }
        std::uint64_t net_ns() const { return program_.net_ns; }

     private:
        std::uint64_t byte_;
        Program program_;
        int input_ = -1, output_ = -1;
    };

    // What the trace of the session says, to a monitor that was not there.
    static Summary verify_offline() {
        const auto monitor = load();
        const OfflineResult result = verify_trace("/run/trace", {monitor.get()});
        EXPECT_TRUE(result.complete) << testing::PrintToString(result.problems);
        return monitor->summary();
    }

    // `lockstep verify --json` on the same trace: its exit status and what it printed.
    static std::pair<int, nlohmann::json> verify_by_command(const std::string& trace) {
        const std::string program = default_marker_program().parent_path() / "lockstep";
        FILE* output = popen((program + " verify --json " + trace + " mutual_exclusion").c_str(), "r");
        std::string text;
        for (int byte; (byte = std::fgetc(output)) != EOF;) text += static_cast<char>(byte);
        return {WEXITSTATUS(pclose(output)), nlohmann::json::parse(text, nullptr, false)};
    }

    // Preempts the program until live reading gives up.
    void break_off(LiveVerifier& verifier, PreemptibleProgram& program, std::uint64_t before) const {
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        for (std::uint64_t number = 0; number < 100 && verifier.session().reading(); ++number) {
            const auto read_all = [&] { return verifier.session().events() >= before + number; };
            while (!read_all() && verifier.session().reading() && std::chrono::steady_clock::now() < deadline)
                std::this_thread::yield();
            if (!verifier.session().reading()) break;
            program.fire_and_stop(number);
            const auto told = std::chrono::steady_clock::now() + 100 * options.live_timer;
            while (std::chrono::steady_clock::now() < told) std::this_thread::yield();
            program.resume();
        }
    }

    static void expect_same(const Summary& live, const Summary& offline) {
        EXPECT_EQ(live.verdict, offline.verdict);
        EXPECT_EQ(live.counters.events, offline.counters.events);
        EXPECT_EQ(live.counters.violations, offline.counters.violations);
        EXPECT_EQ(live.counters.contexts_created, offline.counters.contexts_created);
        EXPECT_EQ(live.counters.contexts_pending, offline.counters.contexts_pending);
        ASSERT_EQ(live.edges.size(), offline.edges.size());
        for (std::size_t i = 0; i < live.edges.size(); ++i) EXPECT_EQ(live.edges[i].taken, offline.edges[i].taken);
    }

    std::unique_ptr<PrivateLttng> lttng;
    LiveSessionOptions options;
};

TEST_F(VerifierTest, CorrectLockingIsOkLiveAndOffline) {
    const auto monitor = load();
    LiveVerifier verifier(options, {monitor.get()});
    EXPECT_EQ(0, start({"burst", "host/1", "500", "own_net_ns"}).wait());
    EXPECT_EQ(0, start({"burst", "host/2", "500", "own_net_ns"}).wait());
    const LiveResult result = verifier.finish();
    EXPECT_TRUE(result.complete) << testing::PrintToString(result.problems);
    const Summary live = monitor->summary();
    EXPECT_EQ(Verdict::ok, live.verdict) << testing::PrintToString(live.reasons);
    EXPECT_EQ(2000u, live.counters.events);
    expect_same(live, verify_offline());
}

TEST_F(VerifierTest, AConflictAcrossNetworkNamespacesIsAViolationThatNamesOwnersAndNamespaces) {
    const auto monitor = load();
    LiveVerifier verifier(options, {monitor.get()});
    Locker first("host1/1", 7), second("host2/1", 7);
    ASSERT_NE(first.net_ns(), second.net_ns());
    first.acquire();
    second.acquire();
    EXPECT_TRUE(verifier.finish().complete);
    const Summary live = monitor->summary();
    EXPECT_EQ(Verdict::violated, live.verdict);
    const auto reports = monitor->take_violations();
    ASSERT_EQ(1u, reports.size());
    EXPECT_EQ(second.net_ns(), reports[0].origin.net_ns);
    EXPECT_EQ("lock_api:acquired", reports[0].tracepoint);
    ASSERT_EQ(1u, reports[0].history.size());
    EXPECT_EQ(first.net_ns(), reports[0].history[0].origin.net_ns);
    EXPECT_THAT(reactors::to_text(reports[0]),
                testing::AllOf(testing::HasSubstr("host1/1"), testing::HasSubstr("host2/1")));
    expect_same(live, verify_offline());
}

TEST_F(VerifierTest, TheCommandExitsWithTheVerdictAndTellsItToPrograms) {
    {
        const auto monitor = load();
        LiveVerifier verifier(options, {monitor.get()});
        EXPECT_EQ(0, start({"burst", "host/1", "10"}).wait());
        EXPECT_TRUE(verifier.finish().complete);
        const auto [status, told] = verify_by_command("/run/trace");
        EXPECT_EQ(0, status);
        EXPECT_EQ("ok", told.at("properties").at(0).at("verdict"));
    }
    const auto monitor = load();
    LiveVerifier verifier(options, {monitor.get()});
    Locker first("host1/1", 7), second("host2/1", 7);
    first.acquire();
    second.acquire();
    EXPECT_TRUE(verifier.finish().complete);
    const auto [status, told] = verify_by_command("/run/trace");
    EXPECT_EQ(1, status);
    EXPECT_EQ("violated", told.at("properties").at(0).at("verdict"));
    EXPECT_EQ(1u, told.at("properties").at(0).at("reports").size());
    EXPECT_EQ(22u, told.at("events")) << "both sessions' traces, in one order";
    EXPECT_EQ(2, verify_by_command("/run/missing").first);
}

// An empty stream is no error of the reader's: only the index knows that it was not.
TEST_F(VerifierTest, ATraceCutOffAnywhereIsInconclusiveAndSaysWhere) {
    const auto monitor = load();
    LiveVerifier verifier(options, {monitor.get()});
    EXPECT_EQ(0, start({"burst", "host/1", "500"}).wait());
    ASSERT_TRUE(verifier.finish().complete);
    std::filesystem::path longest;
    for (const auto& entry : std::filesystem::recursive_directory_iterator("/run/trace"))
        if (entry.path().filename().string().starts_with("lockstep_") && entry.is_regular_file() &&
            entry.path().extension() != ".idx" && (longest.empty() || entry.file_size() > file_size(longest)))
            longest = entry.path();
    ASSERT_FALSE(longest.empty());
    for (std::uintmax_t size = file_size(longest); size > 0;) {
        size = size > 4096 ? size - 4096 : 0;
        std::filesystem::resize_file(longest, size);
        const auto judge = load();
        const OfflineResult result = verify_trace("/run/trace", {judge.get()});
        EXPECT_FALSE(result.complete) << size;
        EXPECT_THAT(result.problems, testing::Contains(testing::HasSubstr(longest.string() + ": cut off"))) << size;
        EXPECT_EQ(Verdict::inconclusive, judge->verdict()) << size;
        if (size > 65536) size = 65536;
    }
}

TEST_F(VerifierTest, TwoMonitorsOfOneTracepointBothGetEveryEvent) {
    const auto one = load(), other = load();
    LiveVerifier verifier(options, {one.get(), other.get()});
    EXPECT_EQ(0, start({"burst", "host/1", "50"}).wait());
    verifier.finish();
    EXPECT_EQ(100u, one->counters().events);
    EXPECT_EQ(100u, other->counters().events);
}

TEST_F(VerifierTest, LostEventsMakeTheVerdictInconclusiveLiveAndOffline) {
    options.buffer_bytes = 4096;
    options.buffer_count = 2;
    const auto monitor = load();
    LiveVerifier verifier(options, {monitor.get()});
    EXPECT_EQ(0, start({"burst", "host/1", "30000"}).wait());
    const LiveResult result = verifier.finish();
    ASSERT_GT(result.lost, 0u);
    EXPECT_NE(Verdict::ok, monitor->verdict());
    EXPECT_EQ(result.lost, monitor->counters().lost);
    EXPECT_NE(Verdict::ok, verify_offline().verdict);
}

// Two violations, one before live reading breaks off and one after: reactors are told of each once.
TEST_F(VerifierTest, WhereLiveReadingBrokeOffTheRecordedTraceIsJudgedAndReactorsAreToldWhatIsNew) {
    options.keep_trace = false;
    options.recorded_below = lttng->trace_directory();
    const auto property = std::make_shared<WatchedProperty>(find_monitor("mutual_exclusion").string(),
                                                            InstanceOptions{}, std::vector<std::string>{"log"});
    LiveVerifier verifier(options, {&property->monitor()});
    Locker first("host1/1", 1000), second("host2/1", 1000), third("host3/1", 2000), fourth("host4/1", 2000);
    first.acquire();
    second.acquire();
    PreemptibleProgram program(STOPPING_CLOCK, "host5/1", 1000);
    break_off(verifier, program, 2);
    third.acquire();
    fourth.acquire();
    program.end();
    const LiveResult broken = verifier.finish();
    ASSERT_TRUE(broken.recorded) << testing::PrintToString(broken.problems);
    EXPECT_EQ(1u, property->monitor().counters().violations);
    testing::internal::CaptureStderr();
    const LiveResult whole = judge_again_if_broken_off(verifier, broken, {property});
    const std::string told = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(whole.complete) << testing::PrintToString(whole.problems);
    EXPECT_THAT(whole.read_again_because, testing::HasSubstr("timestamp is less"));
    EXPECT_EQ("violated", property->status().at("verdict"));
    EXPECT_EQ(2u, property->status().at("reports").size());
    EXPECT_THAT(told, testing::HasSubstr("host1/1")) << "what was waiting is handed over";
    EXPECT_THAT(told, testing::HasSubstr("host4/1"));
}

TEST_F(VerifierTest, WhatWasSeenBeforeLiveReadingBrokeOffStaysWhereTheRecordedTraceIsGone) {
    options.keep_trace = false;
    options.recorded_below = lttng->trace_directory();
    const auto property = std::make_shared<WatchedProperty>(find_monitor("mutual_exclusion").string(),
                                                            InstanceOptions{}, std::vector<std::string>{"log"});
    LiveVerifier verifier(options, {&property->monitor()});
    Locker first("host1/1", 1000), second("host2/1", 1000);
    first.acquire();
    second.acquire();
    PreemptibleProgram program(STOPPING_CLOCK, "host5/1", 1000);
    break_off(verifier, program, 2);
    program.end();
    const LiveResult broken = verifier.finish();
    ASSERT_TRUE(broken.recorded) << testing::PrintToString(broken.problems);
    for (const auto& entry : std::filesystem::recursive_directory_iterator("/run/trace"))
        if (entry.path().filename() == "metadata") std::filesystem::resize_file(entry.path(), 0);
    const LiveResult result = judge_again_if_broken_off(verifier, broken, {property});
    EXPECT_FALSE(result.complete);
    EXPECT_EQ("", result.read_again_because);
    EXPECT_GT(result.problems.size(), broken.problems.size()) << "why it could not be read again";
    EXPECT_EQ("violated", property->status().at("verdict"));
    EXPECT_EQ(1u, property->monitor().counters().violations);
}

TEST_F(VerifierTest, ADeadRelayMakesTheVerdictInconclusive) {
    const auto monitor = load();
    LiveVerifier verifier(options, {monitor.get()});
    EXPECT_EQ(0, start({"burst", "host/1", "10"}).wait());
    for (const pid_t pid : processes("lttng-relayd")) EXPECT_EQ(0, kill(pid, SIGKILL));
    EXPECT_FALSE(verifier.finish(2s).complete);
    EXPECT_EQ(Verdict::inconclusive, monitor->verdict());
}

TEST_F(VerifierTest, ARunWithoutEventsIsInconclusive) {
    const auto monitor = load();
    LiveVerifier verifier(options, {monitor.get()});
    EXPECT_TRUE(verifier.finish().complete);
    EXPECT_EQ(Verdict::inconclusive, monitor->verdict());
}

}  // namespace
}  // namespace lockstep::monitors
