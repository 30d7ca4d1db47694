// When a reply may leave: what is durable by then, and what an operator's disk failure does to it.
#include "nfs_server/ops/runner.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "nfs_server/base/faults.hpp"
#include "nfs_server/ops/test_server.hpp"

namespace lockstep::server::ops {
namespace {

using namespace wire;  // status codes
using test::Handle;

// Nothing happens in the background: what is durable is durable because somebody waited for it.
class Runner : public testing::Test {
 protected:
    bool everything_is_durable() { return server_.fs.everything_is_durable(); }

    test::TestServer server_{{.background = false}};
    test::TestClient client_ = server_.make_client();
    const Handle root_ = server_.root();
};

TEST_F(Runner, AChangeIsDurableWhenItIsAnswered) {
    const Handle file = client_.must_create(root_, "file");
    EXPECT_TRUE(everything_is_durable());
    EXPECT_EQ(client_.write(file, 0, "x", FILE_SYNC).status, NFS3_OK);
    EXPECT_TRUE(everything_is_durable());
    EXPECT_EQ(client_.write(file, 0, "y", DATA_SYNC).status, NFS3_OK);
    EXPECT_TRUE(everything_is_durable());
    EXPECT_EQ(client_.remove(root_, "file").status, NFS3_OK);
    EXPECT_TRUE(everything_is_durable());
}

TEST_F(Runner, AnUnstableWriteWaitsForTheCommit) {
    const Handle file = client_.must_create(root_, "file");
    EXPECT_EQ(client_.write(file, 0, "x", UNSTABLE).status, NFS3_OK);
    EXPECT_FALSE(everything_is_durable());
    EXPECT_EQ(client_.getattr(file).status, NFS3_OK);
    EXPECT_FALSE(everything_is_durable());
    EXPECT_EQ(client_.commit(file).status, NFS3_OK);
    EXPECT_TRUE(everything_is_durable());
}

TEST_F(Runner, AStableReplyThatChangesNothingPromisesWhatWasBefore) {
    const Handle file = client_.must_create(root_, "file");
    EXPECT_EQ(client_.write(file, 0, "x", UNSTABLE).status, NFS3_OK);
    EXPECT_EQ(client_.setattr(file, sattr3{}).status, NFS3_OK);
    EXPECT_TRUE(everything_is_durable());
}

TEST_F(Runner, AFailedDiskKeepsNoPromiseAndStillReads) {
    const Handle file = client_.must_create(root_, "file");
    server_.fs.fail_barriers();
    EXPECT_EQ(client_.create(root_, "other").status, NFS3ERR_IO);
    EXPECT_EQ(client_.write(file, 0, "x").status, NFS3ERR_IO);
    EXPECT_EQ(client_.commit(file).status, NFS3ERR_IO);
    EXPECT_EQ(client_.getattr(file).status, NFS3_OK);
}

// Nobody frees the log here but the test.
TEST_F(Runner, AFullLogLetsTheClientTryAgain) {
    const Handle file = client_.must_create(root_, "file");
    const std::string data(1 << 20, 'x');
    nfsstat3 status = NFS3_OK;
    for (int i = 0; i < 100 && status == NFS3_OK; ++i) status = client_.write(file, 0, data, UNSTABLE).status;
    EXPECT_EQ(status, NFS3ERR_JUKEBOX);
    EXPECT_EQ(client_.getattr(file).status, NFS3_OK);
    ASSERT_TRUE(server_.fs.stack().journal().checkpoint());
    EXPECT_EQ(client_.write(file, 0, data, UNSTABLE).status, NFS3_OK);
}

TEST_F(Runner, AFullDiskIsToldAndWhatIsRemovedMakesRoom) {
    test::TestServer small({.size_blocks = 2048, .background = true});
    test::TestClient client = small.make_client();
    const Handle file = client.must_create(small.root(), "file");
    const std::string data(1 << 16, 'x');
    nfsstat3 status = NFS3_OK;
    for (std::uint64_t i = 0; i < 200 && status == NFS3_OK; ++i)
        status = client.write(file, i * data.size(), data, UNSTABLE).status;
    EXPECT_EQ(status, NFS3ERR_NOSPC);
    EXPECT_EQ(client.remove(small.root(), "file").status, NFS3_OK);
    const Handle next = client.must_create(small.root(), "next");
    EXPECT_EQ(client.write(next, 0, data, UNSTABLE).status, NFS3_OK);
}

TEST_F(Runner, TheFaultLetsAReplyLeaveTooEarly) {
    const auto faults = Fault::all();
    const auto fault = std::find_if(faults.begin(), faults.end(), [](const Fault* candidate) {
        return std::string_view(candidate->name()) == "reply_before_commit";
    });
    ASSERT_NE(fault, faults.end());
    (*fault)->enable(1);
    bool too_early = false;
    for (int i = 0; i < 1000 && !too_early; ++i) {
        client_.must_create(root_, std::to_string(i));
        too_early = !everything_is_durable();
    }
    (*fault)->disable();
    EXPECT_TRUE(too_early);
    client_.must_create(root_, "afterwards");
    EXPECT_TRUE(everything_is_durable());
}

}  // namespace
}  // namespace lockstep::server::ops
