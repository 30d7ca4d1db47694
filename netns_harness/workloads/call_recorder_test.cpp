#include "netns_harness/workloads/call_recorder.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace lockstep::workloads {
namespace {

using Time = CallRecorder::Clock::time_point;
using std::chrono::milliseconds;

class CallRecorderTest : public testing::Test {
 protected:
    void TearDown() override { std::filesystem::remove(file_); }
    std::string written() const {
        std::ostringstream text;
        text << std::ifstream(file_).rdbuf();
        return text.str();
    }

    std::string file_ = testing::TempDir() + "/calls." + std::to_string(getpid());
};

TEST_F(CallRecorderTest, AnIntervalIsWrittenWhenACallEndsAfterItAndTheLastAtTheEnd) {
    {
        CallRecorder recorder(file_);
        recorder.answered(Time(milliseconds(1000)), Time(milliseconds(1001)));
        recorder.answered(Time(milliseconds(1040)), Time(milliseconds(1041)));
        recorder.unanswered(Time(milliseconds(1099)));
        EXPECT_EQ(written(), "");
        recorder.answered(Time(milliseconds(1299)), Time(milliseconds(1300)));
        EXPECT_EQ(written(), "10 1 63:2\n");
    }
    EXPECT_EQ(written(), "10 1 63:2\n13 0 63:1\n");
}

TEST_F(CallRecorderTest, WhatAnEarlierRunWroteIsGone) {
    for (int run = 0; run < 2; ++run) CallRecorder(file_).unanswered(Time(milliseconds(500)));
    EXPECT_EQ(written(), "5 1\n");
}

TEST_F(CallRecorderTest, NobodyIsTimedWhereNobodyAsks) {
    ASSERT_EQ(std::getenv("LOCKSTEP_CALL_TIMES"), nullptr);
    EXPECT_EQ(CallRecorder::of_this_process(), nullptr);
}

}  // namespace
}  // namespace lockstep::workloads
