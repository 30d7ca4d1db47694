// The write verifier changes exactly when unstable data may be lost: each way in which a server may end, what became of
// an unstable write, and what the next server says. Layer: ops.
#include "nfs_server/ops/write_verifier.hpp"

#include <gtest/gtest.h>

#include "nfs_server/ops/test_server.hpp"

namespace lockstep::server::ops {
namespace {

using namespace wire;  // status codes
using disk::FaultyDisk;
using test::Handle;
using test::TestClient;

// Lives of a server on one disk, one after the other. Nothing is written but what somebody asks for.
class Lives : public testing::Test {
 protected:
    Lives() {
        if (!journal::Journal::format(disk_)) throw std::runtime_error("the disk can't be formatted");
        begin();
        file_ = client_->must_create(root_, "file");
    }

    void begin() {
        stack_ = std::make_unique<fs::test::MountedStack>(disk_, clock_, fs::test::TestOptions{.background = false});
        service_ =
            std::make_unique<Service>(Service{stack_->file_system(), *choose_write_verifier(stack_->file_system())});
        client_ = std::make_unique<TestClient>(*service_);
        const fs::FileHandle root = stack_->file_system().handle_of(stack_->file_system().root());
        root_ = Handle(reinterpret_cast<const char*>(root.data()), root.size());
    }
    // The end of a life without a last word, and the next one's beginning.
    void kill_and_begin() {
        stack_.reset();
        disk_.repair();
        begin();
    }
    void stop_and_begin() {
        keep_write_verifier(*service_);
        kill_and_begin();
    }
    // What the reply to an unstable WRITE says.
    std::uint64_t write_unstable(const std::string& data) {
        const auto res = client_->write(file_, 0, data, UNSTABLE);
        EXPECT_EQ(res.status, NFS3_OK);
        return get_verifier(res.WRITE3res_u.resok.verf);
    }
    std::uint64_t verifier_of_commit() { return get_verifier(client_->commit(file_).COMMIT3res_u.resok.verf); }

    disk::ImageDisk image_{16384};
    FaultyDisk disk_{image_};
    ManualClock clock_;
    std::unique_ptr<fs::test::MountedStack> stack_;
    std::unique_ptr<Service> service_;
    std::unique_ptr<TestClient> client_;
    Handle root_, file_;
};

TEST_F(Lives, WithinALifeItStays) {
    const auto verifier = write_unstable("a");
    EXPECT_EQ(write_unstable("b"), verifier);
    EXPECT_EQ(verifier_of_commit(), verifier);
    EXPECT_EQ(get_verifier(client_->write(file_, 0, "c", FILE_SYNC).WRITE3res_u.resok.verf), verifier);
}

TEST_F(Lives, AKillLosesWhatIsUnstableAndChangesIt) {
    const auto verifier = write_unstable("lost");
    kill_and_begin();
    EXPECT_EQ(client_->content(file_), "");
    EXPECT_NE(verifier_of_commit(), verifier);
}

TEST_F(Lives, AStopLosesNothingAndKeepsIt) {
    const auto verifier = write_unstable("kept");
    stop_and_begin();
    EXPECT_EQ(client_->content(file_), "kept");
    EXPECT_EQ(verifier_of_commit(), verifier);
    stop_and_begin();
    EXPECT_EQ(verifier_of_commit(), verifier);
}

TEST_F(Lives, AKillAfterAStopChangesIt) {
    const auto verifier = write_unstable("kept");
    stop_and_begin();
    EXPECT_EQ(write_unstable("lost"), verifier);
    kill_and_begin();
    EXPECT_EQ(client_->content(file_), "kept");
    EXPECT_NE(verifier_of_commit(), verifier);
}

TEST_F(Lives, AStopThatCanNotWriteChangesIt) {
    const auto verifier = write_unstable("lost");
    disk_.fail_after(FaultyDisk::Operation::write, 0);
    stop_and_begin();
    EXPECT_EQ(client_->content(file_), "");
    EXPECT_NE(verifier_of_commit(), verifier);
}

// A disk that failed keeps no promise from then on: COMMIT says so, and what the next life finds is another's.
TEST_F(Lives, ADiskThatFailedUnderWayChangesIt) {
    const auto verifier = write_unstable("lost");
    disk_.fail_after(FaultyDisk::Operation::write, 0);
    EXPECT_EQ(client_->commit(file_).status, NFS3ERR_IO);
    disk_.repair();
    EXPECT_EQ(client_->commit(file_).status, NFS3ERR_IO);
    stop_and_begin();
    EXPECT_EQ(client_->content(file_), "");
    EXPECT_NE(verifier_of_commit(), verifier);
}

}  // namespace
}  // namespace lockstep::server::ops
