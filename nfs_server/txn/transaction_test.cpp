#include "nfs_server/txn/transaction.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "nfs_server/txn/memory_store.hpp"

namespace lockstep::server::txn {
namespace {

const LockAddress a = LockAddress::inode(1);
const LockAddress b = LockAddress::inode(2);

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

std::string text_at(Transaction& txn, uint64_t block, uint32_t offset, size_t size) {
    std::string text(size, '?');
    EXPECT_TRUE(txn.read(block, offset, std::as_writable_bytes(std::span(text))));
    return text;
}

class TransactionTest : public ::testing::Test {
 protected:
    MemoryStore store{256};
    TransactionManager& manager = store.manager();
};

TEST_F(TransactionTest, SeesItsOwnWritesAndOthersSeeThemOnlyAfterTheCommit) {
    Transaction writer = manager.begin(1);
    ASSERT_TRUE(writer.lock(a, LockMode::exclusive));
    ASSERT_TRUE(writer.write(a, 7, 100, bytes_of("hello")));
    EXPECT_EQ("hello", text_at(writer, 7, 100, 5));
    {
        Transaction reader = manager.begin(2);
        EXPECT_EQ(std::string(5, '\0'), text_at(reader, 7, 100, 5));
    }
    ASSERT_TRUE(writer.commit());
    Transaction reader = manager.begin(3);
    EXPECT_EQ("hello", text_at(reader, 7, 100, 5));
}

TEST_F(TransactionTest, AnAbortedTransactionChangesNothingAndHoldsNothing) {
    {
        Transaction txn = manager.begin(1);
        ASSERT_TRUE(txn.lock(a, LockMode::exclusive));
        ASSERT_TRUE(txn.write(a, 7, 0, bytes_of("lost")));
    }
    Transaction txn = manager.begin(2);
    EXPECT_TRUE(txn.try_lock(a, LockMode::exclusive));
    EXPECT_EQ(std::string(4, '\0'), text_at(txn, 7, 0, 4));
}

TEST_F(TransactionTest, TwoTransactionsChangeTheirPartsOfOneBlock) {
    Transaction first = manager.begin(1);
    Transaction second = manager.begin(2);
    ASSERT_TRUE(first.lock(a, LockMode::exclusive));
    ASSERT_TRUE(second.lock(b, LockMode::exclusive));
    ASSERT_TRUE(first.write(a, 7, 0, bytes_of("AAAA")));
    ASSERT_TRUE(second.write(b, 7, 4, bytes_of("BBBB")));
    ASSERT_TRUE(second.commit());
    ASSERT_TRUE(first.commit());
    Transaction reader = manager.begin(3);
    EXPECT_EQ("AAAABBBB", text_at(reader, 7, 0, 8));
}

TEST_F(TransactionTest, BitsOfOneByteBelongToDifferentTransactions) {
    Transaction first = manager.begin(1);
    Transaction second = manager.begin(2);
    ASSERT_TRUE(first.lock(LockAddress::block_bit(8), LockMode::exclusive));
    ASSERT_TRUE(second.lock(LockAddress::block_bit(9), LockMode::exclusive));
    ASSERT_TRUE(first.write_bit(LockAddress::block_bit(8), 3, 8, true));
    ASSERT_TRUE(second.write_bit(LockAddress::block_bit(9), 3, 9, true));
    EXPECT_TRUE(*first.read_bit(3, 8));
    EXPECT_FALSE(*first.read_bit(3, 9));
    ASSERT_TRUE(first.commit());
    ASSERT_TRUE(second.commit());
    Transaction reader = manager.begin(3);
    EXPECT_TRUE(*reader.read_bit(3, 8));
    EXPECT_TRUE(*reader.read_bit(3, 9));
    EXPECT_FALSE(*reader.read_bit(3, 10));
}

TEST_F(TransactionTest, AWholeBlockIsReplacedAndThenPatched) {
    Transaction txn = manager.begin(1);
    ASSERT_TRUE(txn.lock(a, LockMode::exclusive));
    ASSERT_TRUE(txn.write(a, 9, 0, bytes_of("old old old")));
    ASSERT_TRUE(txn.write_block(a, 9, BlockBuffer::copy_of(bytes_of("new block"))));
    ASSERT_TRUE(txn.write(a, 9, 4, bytes_of("BLOCK")));
    EXPECT_EQ(std::string_view("new BLOCK\0\0", 11), text_at(txn, 9, 0, 11));
    ASSERT_TRUE(txn.commit());
    Transaction reader = manager.begin(2);
    EXPECT_EQ(std::string_view("new BLOCK\0\0", 11), text_at(reader, 9, 0, 11));
}

TEST_F(TransactionTest, ASnapshotDoesNotChangeWhenItsBlockDoes) {
    auto write = [&](std::string_view text) {
        Transaction txn = manager.begin(1);
        ASSERT_TRUE(txn.lock(a, LockMode::exclusive));
        ASSERT_TRUE(txn.write(a, 5, 0, bytes_of(text)));
        ASSERT_TRUE(txn.commit());
    };
    write("before");
    Transaction reader = manager.begin(2);
    const auto snapshot = reader.read_block(5);
    ASSERT_TRUE(snapshot);
    write("behind");
    EXPECT_EQ(0, std::memcmp(snapshot->data(), "before", 6));
    EXPECT_EQ("behind", text_at(reader, 5, 0, 6));
}

TEST_F(TransactionTest, OverlappingWritesReadBackInTheirOrder) {
    Transaction txn = manager.begin(1);
    ASSERT_TRUE(txn.lock(a, LockMode::exclusive));
    ASSERT_TRUE(txn.write(a, 5, 0, bytes_of("11111111")));
    ASSERT_TRUE(txn.write(a, 5, 4, bytes_of("22222222")));
    ASSERT_TRUE(txn.write(a, 5, 0, bytes_of("333333")));
    EXPECT_EQ("333333222222", text_at(txn, 5, 0, 12));
    ASSERT_TRUE(txn.commit());
    Transaction reader = manager.begin(2);
    EXPECT_EQ("333333222222", text_at(reader, 5, 0, 12));
}

TEST_F(TransactionTest, WhatDoesNotExistIsRefused) {
    Transaction txn = manager.begin(1);
    ASSERT_TRUE(txn.lock(a, LockMode::exclusive));
    std::array<std::byte, 16> bytes{};
    EXPECT_EQ(StorageError::out_of_range, txn.read(manager.size_blocks(), 0, bytes).error());
    EXPECT_EQ(StorageError::out_of_range, txn.read(0, block_size_bytes - 8, bytes).error());
    EXPECT_EQ(StorageError::out_of_range, txn.write(a, manager.size_blocks(), 0, bytes).error());
    EXPECT_EQ(StorageError::out_of_range, txn.write(a, 0, block_size_bytes - 8, bytes).error());
    EXPECT_EQ(StorageError::out_of_range, txn.write_bit(a, 0, block_size_bytes * 8, true).error());
    EXPECT_EQ(StorageError::out_of_range, txn.write_block(a, UINT64_MAX, BlockBuffer::zeroed()).error());
}

using TransactionDeathTest = TransactionTest;
TEST_F(TransactionDeathTest, WritingWithoutTheLockStopsTheProcess) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    Transaction txn = manager.begin(1);
    ASSERT_TRUE(txn.lock(a, LockMode::shared));
    EXPECT_DEATH((void)txn.write(a, 0, 0, bytes_of("x")), "held exclusively");
    EXPECT_DEATH((void)txn.write(b, 0, 0, bytes_of("x")), "held exclusively");
}

TEST_F(TransactionTest, ALockOutOfOrderConflictsInsteadOfWaiting) {
    Transaction holder = manager.begin(1);
    ASSERT_TRUE(holder.lock(a, LockMode::exclusive));
    Transaction other = manager.begin(2);
    ASSERT_TRUE(other.lock(b, LockMode::exclusive));
    EXPECT_EQ(StorageError::conflict, other.lock(a, LockMode::shared).error());
    EXPECT_TRUE(other.conflicted());
    EXPECT_EQ(StorageError::conflict, other.lock(LockAddress::inode(3), LockMode::shared).error());
}

TEST_F(TransactionTest, ALockOutOfOrderThatIsFreeIsTaken) {
    Transaction txn = manager.begin(1);
    ASSERT_TRUE(txn.lock(b, LockMode::exclusive));
    EXPECT_TRUE(txn.lock(a, LockMode::exclusive));
    EXPECT_TRUE(txn.holds(a, LockMode::exclusive));
}

TEST_F(TransactionTest, TryLockAnswersBusyAndTheTransactionGoesOn) {
    Transaction holder = manager.begin(1);
    ASSERT_TRUE(holder.try_lock(b, LockMode::exclusive));
    Transaction other = manager.begin(2);
    EXPECT_FALSE(other.try_lock(b, LockMode::shared));
    EXPECT_FALSE(other.conflicted());
    EXPECT_TRUE(other.try_lock(a, LockMode::exclusive));
    EXPECT_TRUE(other.commit());
}

TEST_F(TransactionTest, RunRestartsABodyThatConflictedWithAllItsLocksTakenInOrder) {
    Transaction holder = manager.begin(1);
    ASSERT_TRUE(holder.lock(a, LockMode::exclusive));
    int attempts = 0;
    auto outcome = manager.run(2, [&](Transaction& txn) -> Result<int, StorageError> {
        if (++attempts == 2) {
            EXPECT_TRUE(txn.holds(a, LockMode::exclusive));
            EXPECT_TRUE(txn.holds(b, LockMode::shared));
            return 42;
        }
        EXPECT_TRUE(txn.lock(b, LockMode::shared));
        const auto conflicted = txn.lock(a, LockMode::exclusive);
        EXPECT_FALSE(conflicted);
        holder.abort();
        LOCKSTEP_TRY(conflicted);
        return 0;
    });
    ASSERT_TRUE(outcome);
    EXPECT_EQ(42, *outcome->result);
    EXPECT_TRUE(outcome->committed);
    EXPECT_EQ(2, attempts);
}

TEST_F(TransactionTest, RunAbortsWhenTheBodyFails) {
    auto outcome = manager.run(1, [&](Transaction& txn) -> Result<void, std::string> {
        EXPECT_TRUE(txn.lock(a, LockMode::exclusive));
        EXPECT_TRUE(txn.write(a, 7, 0, bytes_of("no")));
        return fail(std::string("not today"));
    });
    ASSERT_TRUE(outcome);
    EXPECT_FALSE(outcome->committed);
    EXPECT_EQ("not today", outcome->result.error());
    Transaction reader = manager.begin(2);
    EXPECT_EQ(std::string(2, '\0'), text_at(reader, 7, 0, 2));
}

TEST_F(TransactionTest, ATransactionWithoutChangesWaitsForAllBeforeIt) {
    Transaction writer = manager.begin(1);
    ASSERT_TRUE(writer.lock(a, LockMode::exclusive));
    ASSERT_TRUE(writer.write(a, 7, 0, bytes_of("x")));
    const auto written = writer.commit();
    ASSERT_TRUE(written);
    Transaction empty = manager.begin(2);
    const auto sequence = empty.commit();
    ASSERT_TRUE(sequence);
    EXPECT_EQ(*written, *sequence);
    EXPECT_GT(*sequence, store.journal().durable_sequence());
    ASSERT_TRUE(manager.wait_durable(*sequence, 2));
    EXPECT_EQ(*sequence, store.journal().durable_sequence());
}

TEST_F(TransactionTest, WhatIsDurableIsThereAfterARestartAndWhatIsNotIsGoneWhole) {
    auto write = [&](uint64_t block, std::string_view text) {
        Transaction txn = store.manager().begin(1);
        EXPECT_TRUE(txn.lock(a, LockMode::exclusive));
        EXPECT_TRUE(txn.write(a, block, 0, bytes_of(text)));
        EXPECT_TRUE(txn.write(a, block + 1, 0, bytes_of(text)));
        return *txn.commit();
    };
    const Sequence durable = write(10, "kept");
    ASSERT_TRUE(manager.wait_durable(durable, 1));
    write(20, "lost");
    store.reopen();
    Transaction reader = store.manager().begin(2);
    EXPECT_EQ("kept", text_at(reader, 10, 0, 4));
    EXPECT_EQ("kept", text_at(reader, 11, 0, 4));
    EXPECT_EQ(std::string(4, '\0'), text_at(reader, 20, 0, 4));
    EXPECT_EQ(std::string(4, '\0'), text_at(reader, 21, 0, 4));
}

TEST_F(TransactionTest, OneThatCanNeverFitInTheLogIsRefusedWhole) {
    Transaction txn = manager.begin(1);
    ASSERT_TRUE(txn.lock(a, LockMode::exclusive));
    uint64_t block = 0;
    while (txn.size_bytes() <= manager.max_transaction_bytes())
        ASSERT_TRUE(txn.write_block(a, block++, BlockBuffer::copy_of(bytes_of("much"))));
    EXPECT_EQ(StorageError::too_large, txn.commit().error());
    Transaction reader = manager.begin(2);
    EXPECT_EQ(std::string(4, '\0'), text_at(reader, 0, 0, 4));
    EXPECT_TRUE(reader.lock(a, LockMode::exclusive));
}

}  // namespace
}  // namespace lockstep::server::txn
