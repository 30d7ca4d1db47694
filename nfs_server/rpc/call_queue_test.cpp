#include "nfs_server/rpc/call_queue.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "nfs_server/base/waiting.hpp"
#include "nfs_server/rpc/tcp_server.hpp"
#include "nfs_server/rpc/test_program.hpp"
#include "nfs_server/rpc/word_reader.hpp"

namespace lockstep::server::rpc {
namespace {

// In one piece.
class LanePayload final : public Payload {
 public:
    LanePayload(size_t size_bytes, uint64_t lane) : Payload(size_bytes, lane), bytes_(size_bytes) {}
    size_t room_bytes() const override { return bytes_.size(); }
    void make_room(size_t) override {}
    size_t pieces(size_t from, std::span<iovec> to) const override {
        if (from == bytes_.size() || to.empty()) return 0;
        to[0] = {const_cast<std::byte*>(bytes_.data()) + from, bytes_.size() - from};
        return 1;
    }

 private:
    std::vector<std::byte> bytes_;
};

using test::Bytes;

class CallQueueTest : public testing::Test {
 protected:
    // A call of that lane, told from others by its record's size.
    std::unique_ptr<Call> call(uint64_t lane, size_t number) {
        Record record(budget_);
        record.size_bytes = number;
        if (lane != 0) record.payload = std::make_unique<LanePayload>(4, lane);
        return std::make_unique<Call>(std::move(record));
    }
    void push(std::initializer_list<std::pair<uint64_t, size_t>> lanes_and_numbers) {
        Connection::Calls calls;
        for (const auto& [lane, number] : lanes_and_numbers) calls.push_back(call(lane, number));
        queue_.push(nullptr, calls);
        EXPECT_TRUE(calls.empty());
    }
    static size_t number(const std::optional<CallQueue::Task>& task) {
        return task ? task->call->record.size_bytes : 0;
    }

    MemoryBudget budget_{1000};
    CallQueue queue_;
};

TEST_F(CallQueueTest, CallsWithoutALaneComeInTheirOrder) {
    push({{0, 1}, {0, 2}});
    push({{0, 3}});
    for (size_t i = 1; i <= 3; ++i) EXPECT_EQ(number(queue_.pop()), i);
    EXPECT_FALSE(queue_.pop());
    EXPECT_TRUE(queue_.is_empty());
}

TEST_F(CallQueueTest, OfALaneOneRunsAtATimeAndOthersPassBy) {
    push({{7, 1}, {7, 2}, {0, 3}, {8, 4}, {7, 5}});
    EXPECT_EQ(number(queue_.pop()), 1u);
    EXPECT_EQ(number(queue_.pop()), 3u);
    EXPECT_EQ(number(queue_.pop()), 4u);
    EXPECT_FALSE(queue_.pop());
    EXPECT_TRUE(queue_.enter_idle()) << "nothing that could be run: a thread may sleep";
    queue_.leave_idle();
    EXPECT_EQ(number(queue_.leave_lane(7, true)), 2u);
    EXPECT_FALSE(queue_.leave_lane(7, false)) << "left to the others";
    EXPECT_EQ(number(queue_.pop()), 5u);
    EXPECT_FALSE(queue_.leave_lane(7, true));
    EXPECT_FALSE(queue_.leave_lane(8, true));
    push({{7, 6}});
    EXPECT_EQ(number(queue_.pop()), 6u);
}

TEST_F(CallQueueTest, WhoEntersALaneKeepsItsQueuedCallsWaiting) {
    EXPECT_TRUE(queue_.enter_lane(0));
    EXPECT_TRUE(queue_.enter_lane(0)) << "no lane";
    EXPECT_TRUE(queue_.enter_lane(7));
    EXPECT_FALSE(queue_.enter_lane(7));
    push({{7, 1}});
    EXPECT_FALSE(queue_.pop());
    EXPECT_EQ(number(queue_.leave_lane(7, true)), 1u);
    EXPECT_FALSE(queue_.leave_lane(7, true));
    EXPECT_TRUE(queue_.enter_lane(7));
}

TEST_F(CallQueueTest, AClearedQueueHasNoLanes) {
    push({{7, 1}, {7, 2}});
    EXPECT_EQ(number(queue_.pop()), 1u);
    queue_.clear();
    EXPECT_FALSE(queue_.leave_lane(7, true));
    EXPECT_FALSE(queue_.pop());
}

// The payload of a call of `consume`; its offset is the lane.
PayloadSearch find_consumed(std::span<const std::byte> beginning, size_t) {
    WordReader words(beginning);
    words.skip_opaque();
    const uint64_t lane = words.next_64();
    words.skip(2);
    const size_t size = words.next();
    if (words.ended()) return {.result = PayloadSearch::Result::undecided};
    return {.result = PayloadSearch::Result::found,
            .at = words.position(),
            .payload = std::make_unique<LanePayload>(size, lane)};
}

class LanesTest : public testing::Test {
 protected:
    ~LanesTest() override { gate_.open(); }

    // Calls of `consume` wait at the gate; they say so if told to.
    void start(bool says_so) {
        Program program = test::test_program(gate_);
        program.add(test::consume, "CONSUME", wire::xdr_WRITE3args, wire::xdr_WRITE3res,
                    [this, says_so](const CallContext& call, const wire::WRITE3args& args, wire::WRITE3res& res) {
                        EXPECT_EQ(args.data.data_len, 0u);
                        EXPECT_NE(call.payload, nullptr);
                        most_ = std::max(most_.load(), ++running_);
                        if (says_so) about_to_wait();
                        if (says_so) gate_.pass();
                        --running_;
                        res.WRITE3res_u.resok.count = static_cast<uint32_t>(call.payload->size_bytes());
                    });
        program.receive_apart(test::consume, find_consumed);
        programs_.add(std::move(program));
        const auto bound = server_.listen(*PeerAddress::parse("127.0.0.1", 0), programs_);
        port_ = bound.value().port();
        server_.start(4);
    }
    Bytes stream_of(uint64_t lane, int calls) {
        Bytes stream;
        std::string data(20'000, 'x');
        for (int i = 0; i < calls; ++i) {
            const Bytes record =
                test::record_of(test::call_message(static_cast<uint32_t>(i + 1), test::to(test::consume),
                                                   wire::xdr_WRITE3args, test::consume_args(lane, data)));
            stream.insert(stream.end(), record.begin(), record.end());
        }
        return stream;
    }
    Limits limits_;
    ManualClock clock_;
    test::Gate gate_;
    ProgramSet programs_;
    std::atomic<int> running_{0};
    std::atomic<int> most_{0};
    TcpServer server_{limits_, clock_};
    uint16_t port_ = 0;
};

TEST_F(LanesTest, CallsOfOneLaneRunOneAfterTheOther) {
    start(false);
    test::Client first(port_), second(port_);
    const Bytes stream = stream_of(5, 30);
    std::thread other([&] {
        ASSERT_TRUE(second.send(stream));
        for (int i = 0; i < 30; ++i) ASSERT_TRUE(second.receive());
    });
    ASSERT_TRUE(first.send(stream));
    for (int i = 0; i < 30; ++i) EXPECT_TRUE(first.receive());
    other.join();
    EXPECT_EQ(most_, 1);
}

TEST_F(LanesTest, ACallThatWaitsLetsTheNextOfItsLaneRun) {
    start(true);
    test::Client client(port_);
    ASSERT_TRUE(client.send(stream_of(5, 3)));
    gate_.await(3);
    gate_.open();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.receive());
}

}  // namespace
}  // namespace lockstep::server::rpc
