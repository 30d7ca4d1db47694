// The owners of a host on a server of our own making, whose deaths and silences fall where the test wants them.
#include "netns_harness/workloads/lock_contention.hpp"

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <utility>

#include "netns_harness/workloads/test_work_clock.hpp"

namespace lockstep::workloads {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t granted = 0;
constexpr std::uint32_t denied = 1;

// One file's locks, one of each owner. "other" is nobody of ours.
struct FakeServer {
    void die() {
        ++life;
        held.clear();
    }

    SleepersClock clock;
    std::mutex mutex;
    unsigned life = 1;
    milliseconds away_until{0};  // calls before then do not reach it
    milliseconds denial_takes{0};
    std::function<void(const std::string& owner)> after_lock = [](const std::string&) {};
    std::map<std::string, Mode> held;
    std::vector<std::string> reclaimed;
};

class FakeConnection final : public RemoteFiles {
 public:
    FakeConnection(FakeServer& server, const OwnerName& owner)
        : server_(server), owner_(owner.text()), life_(server.life) {
        reached();
    }
    std::uint32_t lock(std::size_t, Range, Mode mode) override {
        const auto hold = reached();
        for (const auto& [owner, held] : server_.held) {
            if (owner == owner_ || (held == Mode::shared && mode == Mode::shared)) continue;
            server_.clock.sleep(server_.denial_takes);
            return denied;
        }
        server_.held[owner_] = mode;
        server_.after_lock(owner_);
        return granted;
    }
    std::uint32_t reclaim(std::size_t, Range, Mode mode) override {
        const auto hold = reached();
        server_.held[owner_] = mode;
        server_.reclaimed.push_back(owner_);
        return granted;
    }
    void unlock(std::size_t, Range) override {
        const auto hold = reached();
        server_.held.erase(owner_);
    }
    Bytes read(std::size_t, std::uint64_t, std::uint32_t count) override {
        const auto hold = reached();
        return Bytes(count, 7);
    }
    void write(std::size_t, std::uint64_t, const Bytes&) override { reached(); }

 private:
    std::unique_lock<std::mutex> reached() {
        std::unique_lock hold(server_.mutex);
        if (server_.clock.elapsed() < server_.away_until || life_ != server_.life) throw NoAnswer("gone");
        return hold;
    }

    FakeServer& server_;
    const std::string owner_;
    const unsigned life_;
};

class LockContentionTest : public testing::Test {
 protected:
    LockContentionTest() {
        plan_.owners = 1;
        plan_.files = 1;
        plan_.patient = true;
        plan_.turns = 3;
        plan_.duration = milliseconds(1000);
        plan_.leak_check = milliseconds(4000);
        plan_.longest_grace = milliseconds(60'000);
    }
    std::unique_ptr<LockContention> contention() {
        return std::make_unique<LockContention>(
            plan_, LockContentionParts{
                       [this](const OwnerName& owner) { return std::make_unique<FakeConnection>(server_, owner); },
                       [] {}, server_.clock, stop_});
    }
    FakeServer server_;
    LockContentionPlan plan_;
    std::atomic<bool> stop_{false};
};

TEST_F(LockContentionTest, WhoIsUndisturbedLeavesNothing) {
    const auto contention = this->contention();
    contention->run();
    EXPECT_EQ(contention->counts().turns, 3U);
    EXPECT_TRUE(server_.held.empty());
    EXPECT_TRUE(contention->unlockable().empty());
    EXPECT_TRUE(contention->errors().empty());
}

TEST_F(LockContentionTest, AServerThatComesBackInTimeGivesBackWhatWasHeld) {
    server_.after_lock = [this](const std::string&) {
        if (server_.life > 1) return;
        server_.die();
        server_.away_until = milliseconds(500);
    };
    const auto contention = this->contention();
    contention->run();
    EXPECT_EQ(server_.reclaimed, std::vector<std::string>{"client/1"});
    EXPECT_EQ(contention->interruptions(), 0U);
    EXPECT_TRUE(server_.held.empty());
}

// Two hosts that each reclaimed a shared lock that they had given up, and asked for the whole file, stood in each
// other's way for ever.
TEST_F(LockContentionTest, WhatIsGivenUpAtTheEndIsNotReclaimedInTheSearchForLeaks) {
    server_.after_lock = [this](const std::string&) {
        if (server_.life > 1) return;
        server_.die();
        server_.away_until = plan_.duration + milliseconds(500);
    };
    const auto contention = this->contention();
    contention->run();
    EXPECT_TRUE(server_.reclaimed.empty());
    EXPECT_TRUE(server_.held.empty());
    EXPECT_TRUE(contention->unlockable().empty());
}

TEST_F(LockContentionTest, WhatASilentServerStillHasForUsIsGivenBackBeforeTheSearchForLeaks) {
    plan_.owners = 2;
    server_.after_lock = [this](const std::string& owner) {
        if (owner == "client/2") server_.away_until = plan_.duration + milliseconds(500);
    };
    const auto contention = this->contention();
    contention->run();
    EXPECT_TRUE(server_.held.empty());
    EXPECT_TRUE(contention->unlockable().empty());
}

TEST_F(LockContentionTest, ALockThatIsLeftIsFound) {
    server_.held["other"] = Mode::exclusive;
    const auto contention = this->contention();
    contention->run();
    EXPECT_EQ(contention->unlockable(), std::vector<std::string>{"locks/file1"});
}

TEST_F(LockContentionTest, PatienceIsSpentByWaitingInTheQueueToo) {
    server_.held["other"] = Mode::exclusive;
    server_.denial_takes = plan_.longest_wait = milliseconds(100);
    const auto contention = this->contention();
    contention->run();
    EXPECT_EQ(contention->unlockable(), std::vector<std::string>{"locks/file1"});
    EXPECT_LE(server_.clock.elapsed(), 3 * plan_.longest_wait + plan_.leak_check + milliseconds(100));
}

TEST_F(LockContentionTest, AMachineThatStoodStillHasNotSpentPatience) {
    server_.held["other"] = Mode::exclusive;
    server_.denial_takes = milliseconds(1500);  // of which the server may make us wait 100
    plan_.longest_wait = milliseconds(100);
    const auto contention = this->contention();
    contention->run();
    EXPECT_GE(server_.clock.elapsed(), 30 * server_.denial_takes);
}

TEST_F(LockContentionTest, WhoIsNotPatientFailsWithTheServer) {
    plan_.patient = false;
    plan_.leak_check = milliseconds(0);
    server_.after_lock = [this](const std::string&) { server_.die(); };
    const auto contention = this->contention();
    contention->run();
    ASSERT_EQ(contention->errors().size(), 1U);
    EXPECT_EQ(contention->errors()[0], "client/1: gone");
}

}  // namespace
}  // namespace lockstep::workloads
