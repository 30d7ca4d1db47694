// When transactions wait for the disk, and for each other: only where they must.
#include <gtest/gtest.h>

#include <string_view>
#include <thread>

#include "nfs_server/disk/gate_disk.hpp"
#include "nfs_server/disk/image_disk.hpp"
#include "nfs_server/journal/journal.hpp"
#include "nfs_server/txn/transaction.hpp"

namespace lockstep::server::txn {
namespace {

constexpr uint64_t log_blocks = 16;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

// A store on a disk whose operations a test can hold back; nothing happens in the background.
class TransactionPipeline : public testing::Test {
 protected:
    TransactionPipeline() : image_(256) {
        EXPECT_TRUE(journal::Journal::format(image_, {.log_blocks = log_blocks}));
        auto opened = journal::Journal::open(disk_, {.background = false});
        journal_ = std::move(*opened);
        manager_ = std::make_unique<TransactionManager>(*journal_);
    }

    // Writes to the first bytes of a block, under the lock of an inode.
    Result<Sequence, StorageError> write(uint64_t inode, uint64_t block, uint32_t offset, std::string_view text) {
        Transaction txn = manager_->begin(1);
        LOCKSTEP_TRY(txn.lock(LockAddress::inode(inode), LockMode::exclusive));
        LOCKSTEP_TRY(txn.write(LockAddress::inode(inode), block, offset, bytes_of(text)));
        return txn.commit();
    }
    std::string read(uint64_t inode, uint64_t block, uint32_t offset, size_t size) {
        Transaction txn = manager_->begin(1);
        EXPECT_TRUE(txn.lock(LockAddress::inode(inode), LockMode::shared));
        std::string text(size, '?');
        EXPECT_TRUE(txn.read(block, offset, std::as_writable_bytes(std::span(text))));
        return text;
    }

    disk::ImageDisk image_;
    disk::GateDisk disk_{image_};
    std::unique_ptr<journal::Journal> journal_;
    std::unique_ptr<TransactionManager> manager_;
};

TEST_F(TransactionPipeline, AnotherTransactionOfTheSameObjectGoesOnWhileTheFirstWaitsForItsBarrier) {
    disk_.barriers.close();
    std::thread first([&] {
        const auto sequence = write(1, 7, 0, "first");
        EXPECT_TRUE(sequence);
        EXPECT_TRUE(manager_->wait_durable(*sequence, 1));
    });
    disk_.barriers.wait_for(1);
    EXPECT_EQ("first", read(1, 7, 0, 5));
    EXPECT_TRUE(write(1, 7, 0, "other"));
    EXPECT_EQ("other", read(1, 7, 0, 5));
    EXPECT_EQ(0u, journal_->durable_sequence().value);
    disk_.barriers.open();
    first.join();
}

TEST_F(TransactionPipeline, AReadTouchesNeitherLogNorDiskForWhatIsCached) {
    ASSERT_TRUE(write(1, 7, 0, "cached"));
    const auto before = manager_->last_sequence();
    disk_.barriers.close();
    disk_.writes.close();
    disk_.reads.close();
    EXPECT_EQ("cached", read(1, 7, 0, 6));
    Transaction reader = manager_->begin(2);
    EXPECT_TRUE(reader.lock(LockAddress::inode(1), LockMode::shared));
    EXPECT_EQ(before, *reader.commit());
    EXPECT_EQ(0u, disk_.barriers.arrived() + disk_.writes.arrived() + disk_.reads.arrived());
}

// Both are open at the same time, each with its lock; neither waits, neither conflicts, and a crash keeps either alone.
TEST_F(TransactionPipeline, TwoObjectsOfOneBlockDoNotConflict) {
    Transaction first = manager_->begin(1);
    Transaction second = manager_->begin(2);
    ASSERT_TRUE(first.lock(LockAddress::inode(1), LockMode::exclusive));
    ASSERT_TRUE(second.lock(LockAddress::inode(2), LockMode::exclusive));
    ASSERT_TRUE(first.write(LockAddress::inode(1), 7, 0, bytes_of("first")));
    ASSERT_TRUE(second.write(LockAddress::inode(2), 7, 256, bytes_of("second")));
    EXPECT_FALSE(first.conflicted() || second.conflicted());
    const auto sequence = second.commit();
    ASSERT_TRUE(sequence);
    ASSERT_TRUE(manager_->wait_durable(*sequence, 2));
    const disk::ImageDisk crashed = image_;
    ASSERT_TRUE(first.commit());
    EXPECT_EQ("first", read(1, 7, 0, 5));
    EXPECT_EQ("second", read(2, 7, 256, 6));

    disk::ImageDisk copy = crashed;
    auto recovered = journal::Journal::open(copy, {.background = false});
    ASSERT_TRUE(recovered);
    std::string text(6, '?');
    ASSERT_TRUE((*recovered)->cache().read(7, 256, std::as_writable_bytes(std::span(text))));
    EXPECT_EQ("second", text);
    ASSERT_TRUE((*recovered)->cache().read(7, 0, std::as_writable_bytes(std::span(text))));
    EXPECT_EQ(std::string(6, '\0'), text);
}

TEST_F(TransactionPipeline, ATransactionLargerThanTheLogIsRefusedAndLeavesNothing) {
    {
        Transaction large = manager_->begin(1);
        ASSERT_TRUE(large.lock(LockAddress::inode(1), LockMode::exclusive));
        for (uint64_t block = 0; block < log_blocks; ++block)
            ASSERT_TRUE(large.write_block(LockAddress::inode(1), block, BlockBuffer::copy_of(bytes_of("large"))));
        EXPECT_GT(large.size_bytes(), manager_->max_transaction_bytes());
        EXPECT_EQ(StorageError::too_large, large.commit().error());
    }
    EXPECT_EQ(std::string(5, '\0'), read(1, 0, 0, 5)) << "and its lock is free";
    EXPECT_TRUE(write(1, 0, 0, "small"));
    EXPECT_EQ("small", read(1, 0, 0, 5));
}

}  // namespace
}  // namespace lockstep::server::txn
