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

// Inverts a byte of an inode, past all checksums.
void damage(fs::test::TestFileSystem& file_system, std::uint64_t inode) {
    const fs::Volume& volume = file_system->volume();
    const std::uint64_t block = volume.inode_block(inode);
    const std::uint32_t offset = fs::Volume::inode_offset(inode) + 9;
    const auto done =
        file_system.stack().transactions().run(0, [&](txn::Transaction& txn) -> Result<void, StorageError> {
            const auto guard = txn::LockAddress::inode(inode);
            std::byte value{};
            LOCKSTEP_TRY(txn.lock(guard, txn::LockMode::exclusive));
            LOCKSTEP_TRY(txn.read(block, offset, std::span(&value, 1)));
            value = ~value;
            return txn.write(guard, block, offset, std::span(&value, 1));
        });
    ASSERT_TRUE(done && done->result);
}

TEST_F(Runner, ADiskThatIsFoundToBeDamagedIsReadOnlyFromThenOn) {
    const Handle file = client_.must_create(root_, "file");
    const Handle damaged = client_.must_create(root_, "damaged");
    int told = 0;
    server_.fs->when_damaged([&] { ++told; });
    damage(server_.fs, client_.getattr(damaged).GETATTR3res_u.resok.obj_attributes.fileid);
    EXPECT_EQ(client_.write(file, 0, "x").status, NFS3_OK);  // nobody knows of it yet
    EXPECT_EQ(told, 0);
    EXPECT_EQ(client_.getattr(damaged).status, NFS3ERR_SERVERFAULT);
    EXPECT_EQ(told, 1);
    EXPECT_EQ(client_.write(file, 0, "y").status, NFS3ERR_ROFS);
    EXPECT_EQ(client_.create(root_, "other").status, NFS3ERR_ROFS);
    EXPECT_EQ(client_.remove(root_, "file").status, NFS3ERR_ROFS);
    EXPECT_EQ(client_.getattr(damaged).status, NFS3ERR_SERVERFAULT);
    EXPECT_EQ(client_.read(file, 0, 10).READ3res_u.resok.count, 1u);
    EXPECT_EQ(told, 1);
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
