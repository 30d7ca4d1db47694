// What the server answers while its disk hangs, and what it does with what is too much for its log. The disk's
// operations wait at a gate until the test lets them through. Layer: ops.
#include <gtest/gtest.h>

#include <chrono>
#include <future>

#include "nfs_server/disk/gate_disk.hpp"
#include "nfs_server/fs/check.hpp"
#include "nfs_server/ops/test_server.hpp"

namespace lockstep::server::ops {
namespace {

using namespace wire;  // status codes
using test::Handle;
using test::TestClient;

// A server on a disk with gates, with its background threads.
class HangingDisk : public testing::Test {
 protected:
    explicit HangingDisk(std::uint64_t size_blocks = 16384, bool background = true)
        : image_(size_blocks), options_{.background = background} {
        if (!journal::Journal::format(image_)) throw std::runtime_error("the disk can't be formatted");
        stack_ = std::make_unique<fs::test::MountedStack>(disk_, clock_, options_);
        service_ = std::make_unique<Service>(Service{stack_->file_system(), new_write_verifier()});
        client_ = std::make_unique<TestClient>(*service_);
        const fs::FileHandle root = stack_->file_system().handle_of(stack_->file_system().root());
        root_ = Handle(reinterpret_cast<const char*>(root.data()), root.size());
    }
    ~HangingDisk() override {
        disk_.barriers.open();
        disk_.writes.open();
        disk_.reads.open();
    }

    // Fails the test, and lets everything through, when `work` waits for the disk.
    template <class Work>
    void expect_answers_meanwhile(Work work) {
        auto done = std::async(std::launch::async, work);
        if (done.wait_for(std::chrono::seconds(20)) == std::future_status::ready) return;
        ADD_FAILURE() << "it waits for the disk";
        disk_.barriers.open();
        disk_.writes.open();
        disk_.reads.open();
    }

    disk::ImageDisk image_;
    disk::GateDisk disk_{image_};
    ManualClock clock_;
    fs::test::TestOptions options_;
    std::unique_ptr<fs::test::MountedStack> stack_;
    std::unique_ptr<Service> service_;
    std::unique_ptr<TestClient> client_;
    Handle root_;
};

TEST_F(HangingDisk, WhatOnlyReadsDoesNotWaitForTheLog) {
    const Handle file = client_->must_create(root_, "file");
    const Handle link = test::to_handle(client_->symlink(root_, "link", "text").SYMLINK3res_u.resok.obj);
    disk_.barriers.close();
    disk_.writes.close();
    auto writer = std::async(std::launch::async, [&] {
        TestClient other(*service_);
        return other.write(file, 0, "under way", FILE_SYNC).status;
    });
    disk_.writes.wait_for(1);  // its record's way to the disk has begun and does not end
    expect_answers_meanwhile([&] {
        EXPECT_EQ(client_->getattr(file).status, NFS3_OK);
        EXPECT_EQ(client_->content(file), "under way");
        EXPECT_EQ(client_->lookup(root_, "file").status, NFS3_OK);
        EXPECT_EQ(client_->access(file, 0x3f).status, NFS3_OK);
        EXPECT_EQ(client_->readlink(link).status, NFS3_OK);
        EXPECT_EQ(client_->readdir(root_).status, NFS3_OK);
        EXPECT_EQ(client_->readdirplus(root_).status, NFS3_OK);
        EXPECT_EQ(client_->fsstat(root_).status, NFS3_OK);
        EXPECT_EQ(client_->fsinfo(root_).status, NFS3_OK);
        EXPECT_EQ(client_->pathconf(file).status, NFS3_OK);
        EXPECT_EQ(client_->lookup(root_, "none").status, NFS3ERR_NOENT);
    });
    EXPECT_EQ(writer.wait_for(std::chrono::seconds(0)), std::future_status::timeout) << "a stable reply waits";
    disk_.writes.open();
    disk_.barriers.open();
    EXPECT_EQ(writer.get(), NFS3_OK);
}

TEST_F(HangingDisk, UnstableWritesOfTheSameFileGoOnDuringABarrier) {
    const Handle file = client_->must_create(root_, "file");
    disk_.barriers.close();
    auto writer = std::async(std::launch::async, [&] {
        TestClient other(*service_);
        return other.write(file, 0, "stable", FILE_SYNC).status;
    });
    disk_.barriers.wait_for(1);
    expect_answers_meanwhile([&] {
        EXPECT_EQ(client_->write(file, 0, "UNSTABLE", UNSTABLE).status, NFS3_OK);
        EXPECT_EQ(client_->content(file), "UNSTABLE");
    });
    EXPECT_EQ(writer.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
    disk_.barriers.open();
    EXPECT_EQ(writer.get(), NFS3_OK);
    EXPECT_EQ(client_->content(file), "UNSTABLE");
}

// Sixteen inodes share a block: one transaction holds its inode, others of the same block are changed meanwhile.
TEST_F(HangingDisk, TwoInodesOfOneBlockDoNotConflict) {
    const Handle held = client_->must_create(root_, "held");
    const auto number = client_->attributes(held).fileid;
    Handle neighbour;
    for (int i = 0; i < 64 && neighbour.empty(); ++i) {
        const Handle file = client_->must_create(root_, "file " + std::to_string(i));
        const fs::Volume& volume = stack_->file_system().volume();
        if (volume.inode_block(client_->attributes(file).fileid) == volume.inode_block(number)) neighbour = file;
    }
    ASSERT_FALSE(neighbour.empty()) << "no two inodes share a block";
    txn::Transaction holder = stack_->transactions().begin(0);
    ASSERT_TRUE(holder.lock(txn::LockAddress::inode(number), txn::LockMode::exclusive));
    expect_answers_meanwhile([&] {
        EXPECT_EQ(client_->setattr(neighbour, test::with_mode(0600)).status, NFS3_OK);
        EXPECT_EQ(client_->write(neighbour, 0, "x").status, NFS3_OK);
    });
    auto waiting = std::async(std::launch::async, [&] {
        TestClient other(*service_);
        return other.setattr(held, test::with_mode(0600)).status;
    });
    EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout) << "its own lock is held";
    holder.abort();
    EXPECT_EQ(waiting.get(), NFS3_OK);
}

// Ten times what the log holds: whoever finds it full waits, and no client is sent away.
TEST_F(HangingDisk, MoreThanTheLogHoldsIsWrittenWithoutAFailure) {
    const Handle file = client_->must_create(root_, "file");
    const std::string data(1 << 20, 'x');
    for (int i = 0; i < 80; ++i) ASSERT_EQ(client_->write(file, 0, data, UNSTABLE).status, NFS3_OK) << i;
    EXPECT_GT(stack_->journal().counters().log_blocks_written, 60u << 8);
    EXPECT_EQ(client_->commit(file).status, NFS3_OK);
}

class SmallDisk : public HangingDisk {
 protected:
    SmallDisk() : HangingDisk(2048) {}
};

// Its log holds a mebibyte, a transaction half of it: the reply tells how much was taken, as RFC 1813 allows.
TEST_F(SmallDisk, AWriteLargerThanATransactionIsTakenInPart) {
    const Handle file = client_->must_create(root_, "file");
    const std::string data(1 << 20, 'x');
    const auto offered = client_->fsinfo(root_).FSINFO3res_u.resok.wtmax;
    EXPECT_LT(offered, data.size());
    const auto written = client_->write(file, 0, data);
    ASSERT_EQ(written.status, NFS3_OK);
    EXPECT_EQ(written.WRITE3res_u.resok.count, offered);
    EXPECT_EQ(client_->attributes(file).size, offered);
    EXPECT_EQ(client_->content(file), data.substr(0, offered));
}

}  // namespace
}  // namespace lockstep::server::ops
