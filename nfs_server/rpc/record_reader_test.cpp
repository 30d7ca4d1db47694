#include "nfs_server/rpc/record_reader.hpp"

#include <gtest/gtest.h>

#include <random>

#include "nfs_server/base/sanitizer.hpp"
#include "nfs_server/rpc/test_client.hpp"

namespace lockstep::server::rpc {
namespace {

using test::Bytes;

Bytes random_message(std::mt19937_64& random, size_t size) {
    Bytes message(size);
    for (auto& byte : message) byte = static_cast<std::byte>(random());
    return message;
}

// Feeds the stream in reads of at most `read_bytes`, as a socket would.
Result<std::vector<Record>, RecordError> read_all(RecordReader& reader, std::span<const std::byte> stream,
                                                  std::mt19937_64& random, size_t read_bytes) {
    std::vector<Record> records;
    while (!stream.empty()) {
        size_t left = std::min<size_t>(stream.size(), 1 + random() % read_bytes);
        size_t taken = 0;
        for (const iovec& piece : reader.room()) {
            const size_t filled = std::min(left, piece.iov_len);
            std::memcpy(piece.iov_base, stream.data(), filled);
            stream = stream.subspan(filled);
            left -= filled;
            taken += filled;
        }
        LOCKSTEP_TRY(reader.take(taken, records));
    }
    return records;
}

// However a stream is cut into fragments and reads, the records are those that were sent.
TEST(RecordReader, GivesTheSameRecordsForEveryCutOfTheStream) {
    const uint64_t seed = 42;
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 60; ++round) {
        MemoryBudget budget(size_t{64} << 20);
        RecordReader reader(size_t{1} << 20, budget);
        std::vector<Bytes> messages;
        Bytes stream;
        const size_t largest = round % 3 == 0 ? 200'000 : 300;
        const size_t fragment = 1 + random() % (round % 3 == 0 ? 100'000 : 50);
        for (int i = 0; i < 10; ++i) {
            messages.push_back(random_message(random, random() % largest));
            const Bytes record = test::record_of(messages.back(), fragment);
            stream.insert(stream.end(), record.begin(), record.end());
        }
        const auto records = read_all(reader, stream, random, round % 3 != 0 ? 7 : 40'000);
        ASSERT_TRUE(records.has_value());
        ASSERT_EQ(records->size(), messages.size());
        for (size_t i = 0; i < messages.size(); ++i)
            ASSERT_TRUE(std::ranges::equal((*records)[i].bytes(), messages[i])) << "round " << round << " record " << i;
        EXPECT_FALSE(reader.is_inside_record());
    }
}

TEST(RecordReader, EmptyFragmentsAreHarmless) {
    MemoryBudget budget(1 << 20);
    RecordReader reader(1000, budget);
    std::mt19937_64 random(1);
    Bytes stream = test::words({0, 0, 0, 0x00000004, 0x61626364, 0, 0x80000000, 0x80000000});
    const auto records = read_all(reader, stream, random, 100);
    ASSERT_TRUE(records.has_value());
    ASSERT_EQ(records->size(), 2u);
    EXPECT_EQ((*records)[0].size_bytes, 4u);
    EXPECT_EQ((*records)[1].size_bytes, 0u);
}

TEST(RecordReader, ARecordBeyondTheLimitIsRefusedByItsHead) {
    for (const uint32_t mark : {1001u, 0x80000000u | 1001u, 0xffffffffu, 0x7fffffffu}) {
        MemoryBudget budget(1 << 20);
        RecordReader reader(1000, budget);
        std::mt19937_64 random(1);
        const auto records = read_all(reader, test::words({mark}), random, 100);
        ASSERT_FALSE(records.has_value());
        EXPECT_EQ(records.error(), RecordError::too_large);
        EXPECT_EQ(budget.taken_bytes(), 0u);
    }
}

TEST(RecordReader, FragmentsThatAddUpBeyondTheLimitAreRefused) {
    MemoryBudget budget(1 << 20);
    RecordReader reader(1000, budget);
    std::mt19937_64 random(1);
    const auto records = read_all(reader, test::record_of(Bytes(1001), 100), random, 50);
    ASSERT_FALSE(records.has_value());
    EXPECT_EQ(records.error(), RecordError::too_large);
}

TEST(RecordReader, AClaimedLengthTakesNoMemory) {
    MemoryBudget budget(size_t{64} << 20);
    RecordReader reader(size_t{16} << 20, budget);
    std::mt19937_64 random(1);
    ASSERT_TRUE(read_all(reader, test::words({0x80000000u | (16u << 20), 1, 2, 3}), random, 100).has_value());
    EXPECT_LE(budget.taken_bytes(), size_t{32} << 10);
}

TEST(RecordReader, MemoryStaysWithinAFewTimesWhatHasCome) {
    MemoryBudget budget(size_t{64} << 20);
    RecordReader reader(size_t{4} << 20, budget);
    std::mt19937_64 random(1);
    const Bytes record = test::record_of(Bytes(3'000'000));
    size_t come = 0;
    while (come < record.size()) {
        const size_t next = std::min<size_t>(record.size() - come, 10'000);
        const auto records = read_all(reader, std::span(record).subspan(come, next), random, 10'000);
        ASSERT_TRUE(records.has_value());
        come += next;
        EXPECT_LE(budget.taken_bytes(), come * 4 + (32u << 10));
    }
}

TEST(RecordReader, AnExhaustedBudgetRefusesAndGivesEverythingBack) {
    MemoryBudget budget(100'000);
    {
        RecordReader reader(size_t{1} << 20, budget);
        std::mt19937_64 random(1);
        const auto records = read_all(reader, test::record_of(Bytes(500'000)), random, 10'000);
        ASSERT_FALSE(records.has_value());
        EXPECT_EQ(records.error(), RecordError::out_of_memory);
    }
    EXPECT_EQ(budget.taken_bytes(), 0u);
}

#ifdef __SANITIZE_ADDRESS__
TEST(RecordReader, TheSanitizerSeesUseBehindARecord) {
    MemoryBudget budget(100'000);
    RecordReader reader(size_t{1} << 20, budget);
    std::mt19937_64 random(1);
    for (const size_t size : {64, 40, 72}) {
        auto records = read_all(reader, test::record_of(Bytes(size)), random, 10'000);
        ASSERT_TRUE(records.has_value());
        ASSERT_EQ(records->size(), 1u);
        Record& record = records->front();
        ASSERT_GT(record.capacity_bytes, size);
        EXPECT_EQ(__asan_address_is_poisoned(record.bytes().data() + size - 1), 0);
        EXPECT_NE(__asan_address_is_poisoned(record.bytes().data() + size), 0);
        reader.reuse(std::move(record));
    }
}
#endif

}  // namespace
}  // namespace lockstep::server::rpc
