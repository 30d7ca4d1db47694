#include "nfs_server/rpc/record_reader.hpp"

#include <gtest/gtest.h>

#include <random>

#include "nfs_server/base/sanitizer.hpp"
#include "nfs_server/rpc/program.hpp"
#include "nfs_server/rpc/test_client.hpp"
#include "nfs_server/rpc/word_reader.hpp"

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

// Pieces of 1000 bytes.
class TestPayload final : public Payload {
 public:
    using Payload::Payload;
    size_t room_bytes() const override { return std::min(size_bytes(), pieces_.size() * piece_bytes); }
    void make_room(size_t size_bytes) override {
        while (pieces_.size() * piece_bytes < size_bytes) pieces_.push_back(std::make_unique<Piece>());
    }
    size_t pieces(size_t from, std::span<iovec> to) const override {
        size_t count = 0;
        for (; from < room_bytes() && count < to.size(); from += to[count++].iov_len)
            to[count] = {pieces_[from / piece_bytes]->data() + from % piece_bytes,
                         std::min(piece_bytes - from % piece_bytes, room_bytes() - from)};
        return count;
    }

 private:
    static constexpr size_t piece_bytes = 1000;
    using Piece = std::array<std::byte, piece_bytes>;
    std::vector<std::unique_ptr<Piece>> pieces_;
};

// A message with a payload: the word 0x12345678, how many words follow, those words, the payload's length, its bytes.
class TestFinder final : public PayloadFinder {
 public:
    PayloadSearch find_payload(std::span<const std::byte> beginning, size_t message_bytes) const override {
        WordReader words(beginning);
        const bool has_one = words.next() == mark;
        words.skip(words.next());
        const size_t size = words.next();
        if (words.ended()) return {.result = PayloadSearch::Result::undecided};
        if (!has_one || size == 0 || size > message_bytes - words.position()) return {};
        return {.result = PayloadSearch::Result::found,
                .at = words.position(),
                .payload = std::make_unique<TestPayload>(size)};
    }
    static constexpr uint32_t mark = 0x12345678;
};

Bytes message_with_payload(std::mt19937_64& random, size_t payload_bytes, uint32_t words_before, size_t bytes_behind) {
    Bytes message = test::words({TestFinder::mark, words_before});
    for (uint32_t i = 0; i < words_before; ++i) test::append_word(message, i);
    test::append_word(message, static_cast<uint32_t>(payload_bytes));
    const Bytes rest = random_message(random, payload_bytes + bytes_behind);
    message.insert(message.end(), rest.begin(), rest.end());
    return message;
}

// The message as it was sent.
Bytes joined(const Record& record) {
    Bytes message(record.bytes().begin(), record.bytes().end());
    if (!record.payload) return message;
    const Bytes length = test::words({static_cast<uint32_t>(record.payload->size_bytes())});
    std::ranges::copy(length, message.begin() + static_cast<ptrdiff_t>(record.payload_at - length.size()));
    Bytes payload(record.payload->size_bytes());
    record.payload->read(0, payload);
    message.insert(message.begin() + static_cast<ptrdiff_t>(record.payload_at), payload.begin(), payload.end());
    return message;
}

// Large and small, with and without a payload, each cut anyhow: nothing is lost, added or taken for something else.
TEST(RecordReader, APayloadLiesApartForEveryCutOfTheStream) {
    const uint64_t seed = 43;
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const TestFinder finder;
    size_t apart = 0;
    for (int round = 0; round < 90; ++round) {
        MemoryBudget budget(size_t{64} << 20);
        {
            RecordReader reader(size_t{1} << 20, budget, &finder);
            std::vector<Bytes> messages;
            Bytes stream;
            const auto words_before = static_cast<uint32_t>(random() % (round % 9 == 0 ? 200 : 40));
            for (int i = 0; i < 12; ++i) {
                const bool has_payload = random() % 4 != 0;
                messages.push_back(has_payload ? message_with_payload(random, 14'000 + random() % 90'000, words_before,
                                                                      random() % (i % 5 == 0 ? 9000 : 4))
                                               : random_message(random, random() % (i % 3 == 0 ? 50'000 : 300)));
                const Bytes record = test::record_of(messages.back(), random() % 8 == 0 ? 20'000 : SIZE_MAX);
                stream.insert(stream.end(), record.begin(), record.end());
            }
            const size_t read_bytes = round % 3 == 0 ? 70 : round % 3 == 1 ? 3000 : 200'000;
            const auto records = read_all(reader, stream, random, read_bytes);
            ASSERT_TRUE(records.has_value());
            ASSERT_EQ(records->size(), messages.size());
            for (size_t i = 0; i < messages.size(); ++i) {
                ASSERT_EQ(joined((*records)[i]), messages[i]) << "round " << round << " record " << i;
                if ((*records)[i].payload) ++apart;
            }
            EXPECT_FALSE(reader.is_inside_record());
        }
        EXPECT_EQ(budget.taken_bytes(), 0u);
    }
    EXPECT_GT(apart, 400u);
}

// What a system call takes at once: after the first, a payload is not even staged.
TEST(RecordReader, APayloadLikeTheLastOneIsReadStraightToItsPlace) {
    std::mt19937_64 random(1);
    const TestFinder finder;
    MemoryBudget budget(size_t{64} << 20);
    RecordReader reader(size_t{1} << 20, budget, &finder);
    const Bytes record = test::record_of(message_with_payload(random, 65'536, 20, 0));
    ASSERT_TRUE(read_all(reader, record, random, SIZE_MAX / 2).has_value());
    const auto head_only = reader.room();
    ASSERT_EQ(head_only.size(), 1u);
    EXPECT_EQ(head_only[0].iov_len, record.size() - 65'536);
    std::vector<Record> records;
    std::memcpy(head_only[0].iov_base, record.data(), head_only[0].iov_len);
    ASSERT_TRUE(reader.take(head_only[0].iov_len, records));
    const auto room = reader.room();
    size_t room_bytes = 0;
    for (const iovec& piece : room) room_bytes += piece.iov_len;
    EXPECT_EQ(room_bytes, 64'000u) << "as many pieces as there may be";
}

TEST(RecordReader, AClaimedPayloadTakesNoMemory) {
    MemoryBudget budget(size_t{64} << 20);
    const TestFinder finder;
    RecordReader reader(size_t{16} << 20, budget, &finder);
    std::mt19937_64 random(1);
    const Bytes claim = test::words({0x80000000u | (16u << 20), TestFinder::mark, 0, 15u << 20, 1, 2, 3});
    ASSERT_TRUE(read_all(reader, claim, random, 100).has_value());
    EXPECT_GT(budget.taken_bytes(), 0u);
    EXPECT_LE(budget.taken_bytes(), size_t{32} << 10);
}

TEST(RecordReader, APayloadBeyondTheBudgetIsRefusedAndEverythingGivenBack) {
    MemoryBudget budget(50'000);
    const TestFinder finder;
    std::mt19937_64 random(1);
    {
        RecordReader reader(size_t{1} << 20, budget, &finder);
        const Bytes record = test::record_of(message_with_payload(random, 60'000, 3, 0));
        const auto records = read_all(reader, record, random, 10'000);
        ASSERT_FALSE(records.has_value());
        EXPECT_EQ(records.error(), RecordError::out_of_memory);
    }
    EXPECT_EQ(budget.taken_bytes(), 0u);
}

TEST(RecordReader, AReusedRecordHasNoPayloadAndNoShareInIt) {
    MemoryBudget budget(size_t{1} << 20);
    const TestFinder finder;
    RecordReader reader(size_t{1} << 20, budget, &finder);
    std::mt19937_64 random(1);
    auto records = read_all(reader, test::record_of(message_with_payload(random, 60'000, 3, 0)), random, 100'000);
    ASSERT_TRUE(records.has_value());
    EXPECT_GE(budget.taken_bytes(), 60'000u);
    reader.reuse(std::move(records->front()));
    EXPECT_LT(budget.taken_bytes(), 2'000u);
    const Bytes small = random_message(random, 100);
    records = read_all(reader, test::record_of(small), random, 1000);
    ASSERT_TRUE(records.has_value());
    EXPECT_EQ(records->front().payload, nullptr);
    EXPECT_EQ(joined(records->front()), small);
}

// A call that is sent again may come in other pieces.
TEST(RecordReader, AFingerprintIsTheSameWhetherAPayloadLiesApartOrNot) {
    MemoryBudget budget(size_t{1} << 20);
    const TestFinder finder;
    const Program program(1, 1, "TEST");
    std::mt19937_64 random(1);
    for (const uint32_t words_before : {0u, 50u, 120u}) {
        const Bytes message = message_with_payload(random, 60'000, words_before, 3);
        RecordReader reader(size_t{1} << 20, budget, &finder);
        const auto records = read_all(reader, test::record_of(message), random, 100'000);
        ASSERT_TRUE(records.has_value());
        const Record& record = records->front();
        ASSERT_NE(record.payload, nullptr);
        EXPECT_EQ(program.fingerprint(record.bytes(), record.placed_payload()), program.fingerprint(message));
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

#ifdef LOCKSTEP_ADDRESS_SANITIZER
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
