// The duplicate request cache by itself: what it keeps, what it gives up first, and who waits for whom.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <thread>

#include "nfs_server/ops/test_server.hpp"

namespace lockstep::server::ops {
namespace {

using test::Handle;

rpc::PeerAddress address(int last) {
    return *rpc::PeerAddress::parse("192.0.2." + std::to_string(last), 700);
}

class ReplyCacheTest : public testing::Test {
 protected:
    ReplyCacheTest() : server_({.format = {.reply_blocks = 4, .seed = 1}}) { open(); }

    void open() {
        service_.reset();
        replies_ = std::move(*ReplyCache::open(*server_.fs));
        service_ = std::make_unique<Service>(Service{*server_.fs, 1, replies_.get()});
    }
    void restart() {
        server_.restart();
        open();
    }
    // Call number `xid` of a client: creates a file of that name, which must not be there.
    wire::nfsstat3 create(int client, std::uint32_t xid) {
        test::TestClient caller(*service_);
        caller.move_to(address(client));
        caller.number_calls_from(xid);
        return caller.create(server_.root(), std::to_string(client) + "-" + std::to_string(xid)).status;
    }
    bool is_kept(int client, std::uint32_t xid) { return create(client, xid) == wire::NFS3_OK; }

    test::TestServer server_;
    std::unique_ptr<ReplyCache> replies_;
    std::unique_ptr<Service> service_;
};

TEST_F(ReplyCacheTest, HoldsAsManyRepliesAsTheDiskHasSlotsAndGivesUpTheOldest) {
    ASSERT_EQ(replies_->capacity(), 32u);
    for (std::uint32_t xid = 1; xid <= 33; ++xid) ASSERT_EQ(create(1, xid), wire::NFS3_OK);
    EXPECT_EQ(replies_->size(), 32u);
    EXPECT_TRUE(is_kept(1, 2));
    EXPECT_EQ(create(1, 1), wire::NFS3ERR_EXIST) << "forgotten, so it is executed again";
    EXPECT_EQ(replies_->replays(), 1u);
}

TEST_F(ReplyCacheTest, ABusyClientDoesNotPushOutOneWithFewCalls) {
    for (std::uint32_t xid = 1; xid <= 4; ++xid) ASSERT_EQ(create(1, xid), wire::NFS3_OK);
    for (std::uint32_t xid = 1; xid <= 200; ++xid) ASSERT_EQ(create(2, xid), wire::NFS3_OK);
    for (std::uint32_t xid = 1; xid <= 4; ++xid) EXPECT_TRUE(is_kept(1, xid));
    EXPECT_TRUE(is_kept(2, 173)) << "28 of its own are left";
}

TEST_F(ReplyCacheTest, ARestartFindsTheSameRepliesAndGoesOnInTheSameOrder) {
    for (std::uint32_t xid = 1; xid <= 40; ++xid) ASSERT_EQ(create(1, xid), wire::NFS3_OK);
    restart();
    EXPECT_EQ(replies_->size(), 32u);
    for (std::uint32_t xid = 9; xid <= 40; ++xid) EXPECT_TRUE(is_kept(1, xid)) << xid;
    ASSERT_EQ(create(1, 41), wire::NFS3_OK);
    restart();
    EXPECT_TRUE(is_kept(1, 10));
    EXPECT_EQ(create(1, 9), wire::NFS3ERR_EXIST) << "the oldest gave its slot up";
    server_.fs.expect_sound();
}

TEST_F(ReplyCacheTest, ARefusalTakesNoSlotOfTheDisk) {
    ASSERT_EQ(create(1, 1), wire::NFS3_OK);
    test::TestClient caller(*service_);
    caller.move_to(address(1));
    caller.number_calls_from(2);
    EXPECT_EQ(caller.create(server_.root(), "1-1").status, wire::NFS3ERR_EXIST);
    caller.number_calls_from(2);
    EXPECT_EQ(caller.create(server_.root(), "1-1").status, wire::NFS3ERR_EXIST);
    EXPECT_EQ(replies_->replays(), 1u);
    restart();
    EXPECT_EQ(replies_->size(), 1u);
}

// All threads send the same calls at the same time: each is executed once, whoever comes first.
TEST_F(ReplyCacheTest, TheSameCallAtTheSameTimeIsExecutedOnce) {
    constexpr std::uint32_t calls = 200;
    constexpr std::uint32_t senders = 4;
    std::atomic<int> failures{0};
    std::barrier together(senders);
    std::vector<std::jthread> threads;
    for (std::uint32_t i = 0; i < senders; ++i)
        threads.emplace_back([&] {
            for (std::uint32_t xid = 1; xid <= calls; ++xid) {
                together.arrive_and_wait();
                failures += create(1, xid) == wire::NFS3_OK ? 0 : 1;
            }
        });
    threads.clear();
    EXPECT_EQ(failures.load(), 0);
    EXPECT_EQ(test::TestClient(*service_).names(server_.root()).size(), calls + 2);
    EXPECT_EQ(replies_->replays(), calls * (senders - 1));
}

}  // namespace
}  // namespace lockstep::server::ops
