#include "netns_harness/dlm/lock_master.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <future>

#include "netns_harness/dlm/lock_session.hpp"
#include "netns_harness/dlm/lock_worker.hpp"

namespace lockstep::dlm {
namespace {

constexpr milliseconds long_wait{20'000};

Clock::time_point soon() {
    return Clock::now() + std::chrono::seconds(20);
}

class LockMasterTest : public testing::Test {
 protected:
    LockSession session(const std::string& owner) { return {{"127.0.0.1", master_.port()}, owner, counts_, soon()}; }

    // Bytes that are no message end the session: the other side closes it.
    void expect_dropped(const std::string& bytes) {
        const Fd connection = connect_to({"127.0.0.1", master_.port()}, soon());
        ASSERT_EQ(send(connection.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
        pollfd wanted{connection.get(), POLLIN, 0};
        ASSERT_EQ(poll(&wanted, 1, 20'000), 1);
        char byte = 0;
        EXPECT_LE(recv(connection.get(), &byte, 1, 0), 0) << bytes;
    }

    LockMaster master_{{"127.0.0.1", 0}};
    EventCounts counts_;
};

TEST_F(LockMasterTest, WhatIsHeldIsRefusedToOthersUntilItIsGivenUp) {
    LockSession one = session("a/1");
    LockSession other = session("b/1");
    EXPECT_TRUE(one.lock({"r", Mode::PW}));
    EXPECT_FALSE(other.lock({"r", Mode::PR}));
    EXPECT_TRUE(other.lock({"r", Mode::CR}));
    other.unlock("r");
    one.unlock("r");
    EXPECT_TRUE(other.lock({"r", Mode::EX}));
    EXPECT_EQ(counts_.acquired, 3U);
    EXPECT_EQ(counts_.denied, 1U);
    EXPECT_EQ(counts_.released, 2U);
}

TEST_F(LockMasterTest, WhoWaitsIsGrantedWhenTheHolderLetsGo) {
    LockSession one = session("a/1");
    LockSession other = session("b/1");
    ASSERT_TRUE(one.lock({"r", Mode::EX}));
    auto waiting = std::async(std::launch::async, [&] { return other.lock({"r", Mode::EX, long_wait}); });
    one.unlock("r");
    EXPECT_TRUE(waiting.get());
}

TEST_F(LockMasterTest, WhoWaitedInVainKeepsWhatItHeld) {
    LockSession one = session("a/1");
    LockSession other = session("b/1");
    ASSERT_TRUE(one.lock({"r", Mode::PR}));
    ASSERT_TRUE(other.lock({"r", Mode::PR}));
    EXPECT_FALSE(one.convert({"r", Mode::EX, milliseconds(1)}, Mode::PR));
    EXPECT_FALSE(other.convert({"r", Mode::PW}, Mode::PR));
    EXPECT_EQ(counts_.acquired, 4U);
    one.unlock("r");
    EXPECT_TRUE(other.convert({"r", Mode::EX}, Mode::PR));
}

TEST_F(LockMasterTest, AnOwnerThatDiesLeavesNothing) {
    LockSession other = session("b/1");
    {
        LockSession one = session("a/1");
        ASSERT_TRUE(one.lock({"r", Mode::EX}));
        ASSERT_TRUE(one.lock({"s", Mode::CW}));
    }
    EXPECT_TRUE(other.lock({"r", Mode::EX, long_wait}));
    EXPECT_TRUE(other.lock({"s", Mode::EX, long_wait}));
}

TEST_F(LockMasterTest, WhoSpeaksOutOfTurnIsDropped) {
    for (const std::string line :
         {"garbage\n", "lock 1 r EX try\n", "hello a\nhello b\n", "hello a\nunlock 1 r\n", "hello a\ngranted 1\n"})
        expect_dropped(line);
    expect_dropped(std::string(longest_line, 'x'));
}

// Two requests of one owner cannot wait: the second ends the session, and with it goes what it held.
TEST_F(LockMasterTest, OneRequestOfAnOwnerWaitsAtMost) {
    LockSession holder = session("a/1");
    ASSERT_TRUE(holder.lock({"r", Mode::EX}));
    expect_dropped("hello b\nlock 1 r EX wait\nlock 2 r EX wait\n");
}

TEST(LockWorker, ManyOwnersOverSeveralMastersFinishTheirTurns) {
    LockMaster one({"127.0.0.1", 0});
    LockMaster other({"127.0.0.1", 0});
    WorkerCounts counts;
    const auto work = [&](std::uint64_t number) {
        WorkerPlan plan;
        plan.name = "n/" + std::to_string(number);
        plan.masters = {{"127.0.0.1", one.port()}, {"127.0.0.1", other.port()}};
        plan.resources = {"r1", "r2", "r3"};
        plan.stream = number;
        LockWorker worker(plan, counts, soon());
        for (int turn = 0; turn < 100; ++turn) worker.take_turn();
    };
    std::vector<std::future<void>> workers;
    for (std::uint64_t number = 1; number <= 6; ++number)
        workers.push_back(std::async(std::launch::async, work, number));
    for (auto& worker : workers) worker.get();
    EXPECT_EQ(counts.turns, 600U);
    EXPECT_GT(counts.conversions, 100U);
    EXPECT_GT(counts.events.denied, 0U);
    EXPECT_LT(counts.events.released, counts.events.acquired);
}

}  // namespace
}  // namespace lockstep::dlm
