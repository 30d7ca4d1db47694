// Restarts: of the server, of its clients, of this host; and what is remembered for them.
#include "nfs_server/nlm/test_client_host.hpp"

namespace lockstep::server::nlm {
namespace {

using namespace test;

TEST_F(ClientHostTest, AClientIsRememberedBeforeItsFirstLock) {
    start();
    storage_.break_down(true);
    EXPECT_EQ(lock(1), NLM4_DENIED_NOLOCKS);
    storage_.break_down(false);
    EXPECT_EQ(lock(1), NLM4_GRANTED);
    EXPECT_TRUE(storage_.has("client 127.0.0.1 4 host")) << storage_.text();
}

TEST_F(ClientHostTest, ARestartedServerTellsItsClientsAndGrantsReclaimsOnly) {
    start();
    EXPECT_EQ(lock(1), NLM4_GRANTED);
    start();
    EXPECT_EQ(host_.next(), "notify 3");
    EXPECT_EQ(lock(2), NLM4_DENIED_GRACE_PERIOD);
    EXPECT_EQ(lock(1, false, true), NLM4_GRANTED);
    EXPECT_EQ(lock(2, false, true, 0, "192.0.2.66"), NLM4_DENIED) << "another host of that name";
    clock_.advance(1'000'000'000);
    EXPECT_EQ(lock(2), NLM4_BLOCKED);
    EXPECT_EQ(lock(3, false, true), NLM4_DENIED_GRACE_PERIOD) << "too late to reclaim";
}

TEST_F(ClientHostTest, WithoutClientsThereIsNoGracePeriod) {
    start();
    EXPECT_EQ(lock(1), NLM4_GRANTED);
}

TEST_F(ClientHostTest, ARestartedClientLosesItsLocksAndNobodyElseDoes) {
    start();
    EXPECT_EQ(lock(1, false, false, 3), NLM4_GRANTED);
    notify(5, "192.0.2.66");
    EXPECT_EQ(manager_->table.count(), 1u) << "another host can't say it";
    notify(3);
    EXPECT_EQ(manager_->table.count(), 1u) << "this state is known";
    notify(5);
    EXPECT_EQ(manager_->table.count(), 0u);
    EXPECT_EQ(lock(2, false, false, 5), NLM4_GRANTED);
    notify(5);
    EXPECT_EQ(manager_->table.count(), 1u) << "a late copy takes no new locks";
}

TEST_F(ClientHostTest, ALockOfANewStateEndsThoseOfTheOld) {
    start();
    EXPECT_EQ(lock(1, false, false, 3), NLM4_GRANTED);
    EXPECT_EQ(lock(2, false, false, 5, "192.0.2.66"), NLM4_DENIED) << "from another host the state means nothing";
    EXPECT_EQ(lock(2, false, false, 5), NLM4_GRANTED);
    notify(5);
    EXPECT_EQ(manager_->table.count(), 1u);
}

TEST_F(ClientHostTest, OfTwoClientsOfOneNameTheOperatorSaysWhich) {
    start();
    EXPECT_EQ(lock(1, false), NLM4_GRANTED);
    EXPECT_EQ(lock(2, true, false, 0, "192.0.2.66"), NLM4_BLOCKED);
    EXPECT_TRUE(fence_client(*manager_, "host").contains("error"));
    EXPECT_TRUE(fence_client(*manager_, "host", "192.0.2.67").contains("error"));
    EXPECT_EQ(fence_client(*manager_, "host", "192.0.2.66").at("locks_released"), 0);
    EXPECT_EQ(manager_->table.waits_count(), 0u);
    EXPECT_EQ(fence_client(*manager_, "host").at("locks_released"), 1) << "there is but one now";
}

TEST_F(ClientHostTest, AnAddressThatMakesUpNamesDoesNotFillTheList) {
    start();
    const auto monitored = [&](const std::string& name, const char* address) {
        return manager_->monitored->add({name, address}).has_value();
    };
    std::vector<std::shared_ptr<const LockOwner>> in_use;
    for (size_t number = 0; number < MonitoredClients::max_clients_per_address; ++number) {
        const std::string name = std::to_string(number);
        in_use.push_back(manager_->owners.find_or_add(name, "oh", 1, "192.0.2.66"));
        ASSERT_TRUE(monitored(name, "192.0.2.66")) << number;
    }
    EXPECT_FALSE(monitored("one more", "192.0.2.66"));
    EXPECT_TRUE(monitored("one more", "192.0.2.67"));
    in_use.pop_back();
    EXPECT_TRUE(monitored("one more", "192.0.2.66")) << "one without locks gives way";
}

TEST_F(ClientHostTest, WhoWatchesAHostIsToldOfItsRestart) {
    start();
    EXPECT_EQ(watch("192.0.2.66", "192.0.2.7").res_stat, STAT_FAIL) << "only programs on this host are served";
    const auto watched = watch("192.0.2.66");
    EXPECT_EQ(watched.res_stat, STAT_SUCC);
    EXPECT_EQ(watched.state, 1);
    EXPECT_EQ(watch("no such host at all").res_stat, STAT_FAIL);
    EXPECT_EQ(watch("192.0.2.67").res_stat, STAT_SUCC);
    notify(8, "192.0.2.65");
    notify(9, "192.0.2.66");
    EXPECT_EQ(host_.next(), "192.0.2.66 is in state 9, cookie") << "and nothing of whom nobody watches";
    unwatch("192.0.2.66");
    notify(11, "192.0.2.66");
    notify(13, "192.0.2.67");
    EXPECT_EQ(host_.next(), "192.0.2.67 is in state 13, cookie");
    start();
    notify(15, "192.0.2.67");
    EXPECT_EQ(host_.next(), "192.0.2.67 is in state 15, cookie") << "what is watched outlives the server";
    call({SM_PROG, 1, SM_UNMON_ALL}, xdr_my_id, my_id_, xdr_sm_stat);
    EXPECT_FALSE(storage_.has("watch")) << storage_.text();
}

TEST_F(ClientHostTest, HostsThatAreWatchedHearOfABootAndOfNoLesserRestart) {
    start();
    EXPECT_EQ(watch("127.0.0.1").res_stat, STAT_SUCC);
    start();
    boot_id_ = "second";
    start();
    EXPECT_EQ(host_.next(), "notify 3") << "once: the host's second state";
    for (int tries = 0; tries < 1000 && storage_.has("owed"); ++tries)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_FALSE(storage_.has("owed")) << storage_.text();
    EXPECT_FALSE(storage_.has("watch")) << "whoever watched is gone, too";
    EXPECT_EQ(watch("127.0.0.1").state, 3);
    call({SM_PROG, 1, SM_SIMU_CRASH}, rpc::xdr_no_value, NoValue{}, rpc::xdr_no_value);
    EXPECT_EQ(host_.next(), "notify 5");
}

TEST_F(ClientHostTest, AHostThatCouldNotBeToldOfABootIsToldAfterTheNextStart) {
    start();
    EXPECT_EQ(watch("127.0.0.1").res_stat, STAT_SUCC);
    host_.unregister();
    boot_id_ = "second";
    start();
    EXPECT_TRUE(host_.was_asked_for_tcp(1));
    host_.register_ports(host_.port(), false);
    start();
    EXPECT_EQ(host_.next(), "notify 3");
}

TEST(MonitorRecordTest, WhatIsStoredComesBackWhateverTheNames) {
    const MonitorRecord record{.state = 7,
                               .clients = {{"a\nclient b", "192.0.2.1"}, {"", "2001:db8::1"}, {" ", "192.0.2.2"}}};
    const auto read = MonitorRecord::from_text(record.to_text());
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->state, 7u);
    EXPECT_EQ(read->clients, record.clients);
    const std::string text = record.to_text();
    for (size_t size = 0; size < text.size(); ++size) {
        const auto part = MonitorRecord::from_text(std::string_view(text).substr(0, size));
        EXPECT_TRUE(!part || part->clients.size() < 3) << size;
    }
}

}  // namespace
}  // namespace lockstep::server::nlm
