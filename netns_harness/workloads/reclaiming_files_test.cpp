#include "netns_harness/workloads/reclaiming_files.hpp"

#include <gtest/gtest.h>

#include "netns_harness/workloads/test_work_clock.hpp"

namespace lockstep::workloads {
namespace {

constexpr std::uint64_t to_end = UINT64_MAX;

TEST(HeldRanges, WhatIsUnlockedIsCutOut) {
    HeldRanges held;
    held.lock({0, {0, 99}, Mode::exclusive});
    held.unlock(0, {40, 59});
    held.unlock(1, {0, to_end});
    EXPECT_EQ(held.all(), (std::vector<HeldRange>{{0, {0, 39}, Mode::exclusive}, {0, {60, 99}, Mode::exclusive}}));
    held.unlock(0, {0, to_end});
    EXPECT_TRUE(held.all().empty());
}

TEST(HeldRanges, ALockTakesThePlaceOfWhatWasHeld) {
    HeldRanges held;
    held.lock({0, {10, to_end}, Mode::exclusive});
    held.lock({0, {to_end, to_end}, Mode::shared});
    EXPECT_EQ(held.all(),
              (std::vector<HeldRange>{{0, {10, to_end - 1}, Mode::exclusive}, {0, {to_end, to_end}, Mode::shared}}));
}

// A server that can die: connections to a former life of it answer nothing.
struct FakeServer {
    unsigned life = 1;
    bool is_up = true;
    std::uint32_t reclaim_status = 0;
    unsigned calls_until_death = UINT_MAX;
    std::vector<std::string> calls;
};

class FakeConnection final : public RemoteFiles {
 public:
    explicit FakeConnection(FakeServer& server) : server_(server), life_(server.life) {
        if (!server.is_up) throw NoAnswer("refused");
    }
    std::uint32_t lock(std::size_t, Range, Mode) override {
        call("lock");
        return 0;
    }
    std::uint32_t reclaim(std::size_t, Range range, Mode) override {
        call("reclaim " + std::to_string(range.first));
        return server_.reclaim_status;
    }
    void unlock(std::size_t, Range) override { call("unlock"); }
    Bytes read(std::size_t, std::uint64_t, std::uint32_t count) override {
        call("read");
        return Bytes(count, 7);
    }
    void write(std::size_t, std::uint64_t, const Bytes&) override { call("write"); }

 private:
    void call(const std::string& what) {
        if (server_.calls_until_death-- == 0) {
            ++server_.life;
            server_.calls_until_death = UINT_MAX;
        }
        if (server_.life != life_) throw NoAnswer("gone");
        server_.calls.push_back(what);
    }
    FakeServer& server_;
    unsigned life_;
};

class ReclaimingFilesTest : public testing::Test {
 protected:
    ReclaimingFiles files() {
        return {[this] { return std::make_unique<FakeConnection>(server_); }, [this] { return goes_on_-- > 0; },
                counts_, clock_};
    }
    FakeServer server_;
    ReclaimCounts counts_;
    SleepersClock clock_;
    int goes_on_ = 3;
};

TEST_F(ReclaimingFilesTest, WhatIsHeldIsReclaimedBeforeTheInterruptedCallGoesOn) {
    ReclaimingFiles files = this->files();
    EXPECT_EQ(files.lock(0, {5, 9}, Mode::exclusive), 0U);
    server_.calls_until_death = 0;
    EXPECT_EQ(files.read(0, 5, 2), Bytes(2, 7));
    EXPECT_EQ(server_.calls, (std::vector<std::string>{"lock", "reclaim 5", "read"}));
    EXPECT_EQ(counts_.reclaimed, 1U);
}

TEST_F(ReclaimingFilesTest, AServerThatDiesWhileWeReclaimIsAskedAgain) {
    ReclaimingFiles files = this->files();
    files.lock(0, {5, 9}, Mode::exclusive);
    files.lock(0, {20, 29}, Mode::shared);
    ++server_.life;
    server_.calls_until_death = 2;  // the call that finds it dead, and one reclaim
    files.write(0, 5, Bytes(1));
    EXPECT_EQ(server_.calls,
              (std::vector<std::string>{"lock", "lock", "reclaim 5", "reclaim 5", "reclaim 20", "write"}));
}

TEST_F(ReclaimingFilesTest, WhatIsGivenUpIsNotReclaimed) {
    ReclaimingFiles files = this->files();
    files.lock(0, {5, 9}, Mode::exclusive);
    ++server_.life;
    files.unlock(0, {5, 9});
    EXPECT_EQ(server_.calls, (std::vector<std::string>{"lock", "unlock"}));
}

TEST_F(ReclaimingFilesTest, WhatCanNotBeReclaimedIsLost) {
    for (const std::uint32_t status : {1U, 4U}) {
        ReclaimingFiles files = this->files();
        files.lock(0, {5, 9}, Mode::exclusive);
        ++server_.life;
        server_.reclaim_status = status;
        EXPECT_THROW(files.read(0, 5, 1), LocksLost);
    }
    EXPECT_EQ(counts_.refused, 1U) << "only a plain denial breaks a promise";
}

TEST_F(ReclaimingFilesTest, AServerThatStaysAwayIsGivenUpWhenTheTimeIsOver) {
    ReclaimingFiles files = this->files();
    server_.is_up = false;
    ++server_.life;
    try {
        files.read(0, 0, 1);
        FAIL();
    } catch (const LocksLost&) {
        FAIL();
    } catch (const NoAnswer&) {
    }
    EXPECT_EQ(goes_on_, -1);
}

}  // namespace
}  // namespace lockstep::workloads
