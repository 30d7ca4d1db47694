// Traces on disk: what was read live is read again, the same; damage is told, and never crashes the reader.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "monitors/live/live_session.hpp"
#include "monitors/live/live_test_support.hpp"
#include "monitors/lttng/private_lttng.hpp"
#include "monitors/trace/babeltrace_source.hpp"

namespace lockstep::monitors {
namespace {

using namespace testing_support;
namespace fs = std::filesystem;

auto everything(const Seen& seen) {
    return std::tuple(seen.wanted, seen.owner, seen.first_byte, seen.origin.time_ns, seen.origin.net_ns,
                      seen.origin.vpid, seen.origin.vtid, seen.origin.cpu);
}

struct Reading {
    Recorder recorder;
    std::string error;  // empty: read to the end
};

Reading read_trace(const fs::path& directory) {
    Reading reading;
    try {
        const auto source = BabeltraceSource::open_directory(directory, lock_events());
        while (source->read(reading.recorder) != EventSource::Status::end) {
        }
    } catch (const TraceError& error) {
        reading.error = error.what();
    }
    return reading;
}

class OfflineTest : public testing::Test {
 protected:
    void SetUp() override {
        enter_private_run_directories();
        fs::create_directory("/run/damaged");
    }

    // Records some programs, reading live at the same time; the trace is in /run/trace afterwards.
    LiveResult record(LiveSessionOptions options = {}, std::uint64_t count = 500) {
        PrivateLttng lttng({.work_directory = "/run/trace"});
        options.relay_url = lttng.relay_url();
        options.viewer_url = lttng.viewer_url();
        options.keep_trace = true;
        LiveSession session(options, lock_events(), live);
        std::vector<Program> programs;
        for (int i = 0; i < 3; ++i)
            programs.push_back(start({"burst", "host/" + std::to_string(i), std::to_string(count), "own_net_ns"}));
        for (Program& program : programs) EXPECT_EQ(0, program.wait());
        return session.finish();
    }

    // A fresh copy of the trace, to be damaged.
    static fs::path copy() {
        fs::remove_all("/run/damaged");
        fs::copy("/run/trace", "/run/damaged", fs::copy_options::recursive);
        return "/run/damaged";
    }

    // The files of the copy called `metadata`, or the stream files otherwise; indexes are not read offline.
    static std::vector<fs::path> files(bool metadata) {
        std::vector<fs::path> found;
        for (const auto& entry : fs::recursive_directory_iterator("/run/damaged")) {
            const bool in_trace = fs::exists(entry.path().parent_path() / "metadata");
            if (entry.is_regular_file() && in_trace && (entry.path().filename() == "metadata") == metadata)
                found.push_back(entry.path());
        }
        std::ranges::sort(found);
        return found;
    }

    Recorder live;
};

TEST_F(OfflineTest, TheTraceOfALiveSessionReadsTheSameAsItDidLive) {
    const LiveResult result = record();
    ASSERT_TRUE(result.complete) << testing::PrintToString(result.problems);
    const Reading reading = read_trace("/run/trace");
    EXPECT_EQ("", reading.error);
    ASSERT_EQ(3000u, live.seen.size());
    ASSERT_EQ(live.seen.size(), reading.recorder.seen.size());
    for (std::size_t i = 0; i < live.seen.size(); ++i)
        ASSERT_EQ(everything(live.seen[i]), everything(reading.recorder.seen[i])) << "event " << i;
}

TEST_F(OfflineTest, LossIsReportedWithTheSameNumberAsLive) {
    LiveSessionOptions options;
    options.buffer_bytes = 4096;
    options.buffer_count = 2;
    const LiveResult result = record(options, 30'000);
    ASSERT_TRUE(result.complete) << testing::PrintToString(result.problems);
    ASSERT_GT(result.lost, 0u);
    const Reading reading = read_trace("/run/trace");
    std::uint64_t lost = 0;
    for (const Loss& loss : reading.recorder.losses) lost += loss.events;
    EXPECT_EQ(result.lost, lost);
    EXPECT_EQ(result.events, reading.recorder.seen.size());
}

TEST_F(OfflineTest, NoTraceIsAnErrorThatNamesTheDirectory) {
    EXPECT_THAT(read_trace("/run/damaged").error, testing::HasSubstr("/run/damaged: no CTF trace"));
    EXPECT_THAT(read_trace("/run/missing").error, testing::HasSubstr("/run/missing: not a directory"));
}

TEST_F(OfflineTest, DamagedMetadataIsAnErrorAndNeverACrash) {
    record();
    for (const char* garbage :
         {"", "x", "/* CTF 1.8 */", "/* CTF 1.8 */\ntrace {", "/* CTF 1.8 */ event { name = 7; };"}) {
        copy();
        for (const fs::path& file : files(true)) std::ofstream(file) << garbage;
        const Reading reading = read_trace("/run/damaged");
        EXPECT_EQ(0u, reading.recorder.seen.size()) << garbage;
    }
}

TEST_F(OfflineTest, ATraceThatIsCutOffGivesABeginningAndThenAnErrorOrTheEnd) {
    record();
    ASSERT_EQ(3000u, live.seen.size());
    std::mt19937 random(7);
    for (int round = 0; round < 30; ++round) {
        copy();
        const auto streams = files(false);
        ASSERT_FALSE(streams.empty());
        const fs::path& victim = streams[random() % streams.size()];
        if (fs::file_size(victim) == 0) continue;
        const std::uint64_t size = random() % fs::file_size(victim);
        fs::resize_file(victim, size);
        const Reading reading = read_trace("/run/damaged");
        EXPECT_LE(reading.recorder.seen.size(), live.seen.size());
        const bool cut_inside_a_packet = size % 4096 != 0;
        EXPECT_TRUE(!cut_inside_a_packet || !reading.error.empty()) << victim << " cut to " << size;
    }
}

TEST_F(OfflineTest, FlippedBitsNeverCrashTheReader) {
    record({}, 100);
    std::mt19937 random(11);
    int told = 0;
    for (int round = 0; round < 40; ++round) {
        copy();
        auto victims = files(false);
        const auto metadata = files(true);
        victims.insert(victims.end(), metadata.begin(), metadata.end());
        const fs::path& victim = victims[random() % victims.size()];
        if (fs::file_size(victim) == 0) continue;
        std::fstream file(victim, std::ios::in | std::ios::out | std::ios::binary);
        for (int flips = 0; flips < 8; ++flips) {
            const auto place =
                static_cast<std::streamoff>(random() % std::min<std::uintmax_t>(fs::file_size(victim), 2048));
            file.seekg(place);
            const int byte = file.get();
            file.seekp(place);
            file.put(static_cast<char>(byte ^ (1 << (random() % 8))));
        }
        file.close();
        if (!read_trace("/run/damaged").error.empty()) ++told;
    }
    EXPECT_GT(told, 0) << "no damage was noticed at all";
}

}  // namespace
}  // namespace lockstep::monitors
