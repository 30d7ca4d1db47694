// What survives a server's end. A call that is sent again, by the same client with the same number, gets the first
// reply and is executed once: also when the server was killed in between.
#include <gtest/gtest.h>

#include "nfs_server/main_server_process.hpp"
#include "nfs_server/test_raw_client.hpp"

namespace lockstep::server::test {
namespace {

class ExactlyOnce : public testing::Test {
 protected:
    void start(std::vector<std::string> more = {}) {
        const std::string disk = "file:" + image() + (was_started_ ? "" : ":64M");
        server_ = std::make_unique<ServerProcess>(directory_.path(), disk, std::move(more));
        was_started_ = true;
        connect();
    }
    void connect() {
        client_ = std::make_unique<RawClient>(server_->port());
        root_ = client_->mount();
        ASSERT_FALSE(root_.empty());
    }
    void kill_and_restart(std::vector<std::string> more = {}) {
        server_->kill_now();
        start(std::move(more));
    }
    std::string image() const { return (directory_.path() / "disk").string(); }

    TemporaryDirectory directory_;
    std::unique_ptr<ServerProcess> server_;
    std::unique_ptr<RawClient> client_;
    Handle root_;
    bool was_started_ = false;
};

TEST_F(ExactlyOnce, ACallThatIsSentAgainOnANewConnectionGetsTheFirstReply) {
    start();
    const auto create = create_call(70, root_, "a");
    const auto first = client_->exchange(create);
    ASSERT_EQ(status_of(first), wire::NFS3_OK);
    connect();
    EXPECT_EQ(client_->exchange(create), first);
    EXPECT_EQ(status_of(client_->exchange(create_call(71, root_, "a"))), wire::NFS3ERR_EXIST) << "another call";
}

TEST_F(ExactlyOnce, ACallThatIsSentAgainAfterAKillGetsTheFirstReply) {
    start();
    const auto create = create_call(70, root_, "a");
    const auto created = client_->exchange(create);
    const auto write = write_call(71, created_handle(created), "content", wire::FILE_SYNC);
    const auto written = client_->exchange(write);
    const auto remove = remove_call(72, root_, "a");
    const auto removed = client_->exchange(remove);
    for (const auto* reply : {&created, &written, &removed}) ASSERT_EQ(status_of(*reply), wire::NFS3_OK);
    for (int life = 0; life < 3; ++life) {
        kill_and_restart();
        EXPECT_EQ(client_->exchange(create), created);
        EXPECT_EQ(client_->exchange(write), written) << "the file is gone; the reply is not";
        EXPECT_EQ(client_->exchange(remove), removed);
    }
    EXPECT_EQ(status_of(client_->exchange(remove_call(73, root_, "a"))), wire::NFS3ERR_NOENT);
    server_->kill_now();
    EXPECT_EQ(run_program({server_program(), "fsck", image()}), 0);
}

TEST_F(ExactlyOnce, TheTestSeesAServerThatKeepsRepliesInMemoryOnly) {
    start({"--fault", "keep_reply_in_memory"});
    ASSERT_EQ(status_of(client_->exchange(create_call(70, root_, "a"))), wire::NFS3_OK);
    const auto remove = remove_call(71, root_, "a");
    ASSERT_EQ(status_of(client_->exchange(remove)), wire::NFS3_OK);
    ASSERT_EQ(status_of(client_->exchange(remove)), wire::NFS3_OK) << "in the same life it is kept";
    kill_and_restart();
    EXPECT_EQ(status_of(client_->exchange(remove)), wire::NFS3ERR_NOENT);
}

TEST_F(ExactlyOnce, ARefusalIsRepeatedThoughItsCauseIsGone) {
    start();
    ASSERT_EQ(status_of(client_->exchange(create_call(70, root_, "a"))), wire::NFS3_OK);
    const auto again = create_call(71, root_, "a");
    ASSERT_EQ(status_of(client_->exchange(again)), wire::NFS3ERR_EXIST);
    ASSERT_EQ(status_of(client_->exchange(remove_call(72, root_, "a"))), wire::NFS3_OK);
    EXPECT_EQ(status_of(client_->exchange(again)), wire::NFS3ERR_EXIST);
}

TEST_F(ExactlyOnce, AReplyIsNotGivenToAnotherUserNorToAnotherCallOfItsNumber) {
    start();
    ASSERT_EQ(status_of(client_->exchange(create_call(70, root_, "a"))), wire::NFS3_OK);
    EXPECT_EQ(status_of(client_->exchange(create_call(70, root_, "a", wire::GUARDED, 1000))), wire::NFS3ERR_EXIST);
    EXPECT_EQ(status_of(client_->exchange(create_call(70, root_, "b"))), wire::NFS3_OK);
}

class WriteVerifier : public ExactlyOnce {
 protected:
    // The last eight bytes of WRITE's reply.
    std::string verifier() {
        const auto file = created_handle(client_->exchange(create_call(++xid_, root_, "file", wire::UNCHECKED)));
        const auto reply = client_->exchange(write_call(++xid_, file, "data", wire::UNSTABLE));
        EXPECT_EQ(status_of(reply), wire::NFS3_OK);
        return std::string(reinterpret_cast<const char*>(reply.data()) + reply.size() - 8, 8);
    }
    uint32_t xid_ = 100;
};

TEST_F(WriteVerifier, ChangesWithAKillAndStaysWithAStop) {
    start();
    const std::string first = verifier();
    EXPECT_EQ(verifier(), first);
    kill_and_restart();
    const std::string second = verifier();
    EXPECT_NE(second, first);
    ASSERT_EQ(server_->stop(), 0);
    start();
    EXPECT_EQ(verifier(), second);
    kill_and_restart();
    EXPECT_NE(verifier(), second) << "the stop before last is no excuse";
}

TEST_F(WriteVerifier, TheTestSeesAVerifierThatOutlivesAKill) {
    start({"--fault", "constant_verifier"});
    const std::string first = verifier();
    kill_and_restart({"--fault", "constant_verifier"});
    EXPECT_EQ(verifier(), first);
}

}  // namespace
}  // namespace lockstep::server::test
