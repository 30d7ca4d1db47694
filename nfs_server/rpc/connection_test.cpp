// One connection without a server around it: what it reads at a time, and whom it tells of the rest.
#include "nfs_server/rpc/connection.hpp"

#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <array>
#include <optional>

#include "nfs_server/rpc/file_descriptor.hpp"
#include "nfs_server/rpc/test_client.hpp"
#include "nfs_server/rpc/test_program.hpp"

namespace lockstep::server::rpc {
namespace {

constexpr uint64_t connection_id = 7;

class ConnectionTest : public testing::Test {
 protected:
    ConnectionTest() {
        programs_.add(test::test_program(gate_));
        limits_.turn_bytes = 4096;
        check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets_.data()) == 0, "socketpair");
        client_ = FileDescriptor(sockets_[1]);
        connection_.emplace(sockets_[0], connection_id, *PeerAddress::parse("127.0.0.1", 700), dispatcher_,
                            ConnectionEnvironment{limits_, clock_, budget_, epoll_.get(), work_found_});
        connection_->begin_to_be_watched();
    }

    // Calls of procedure 0, all at once. How long each is.
    size_t send_calls(size_t count) {
        const auto record = test::record_of(test::call_message(1, test::to(0)));
        test::Bytes all;
        for (size_t i = 0; i < count; ++i) all.insert(all.end(), record.begin(), record.end());
        EXPECT_EQ(::send(client_.get(), all.data(), all.size(), 0), static_cast<ssize_t>(all.size()));
        return record.size();
    }
    bool is_told_of() {
        epoll_event event{};
        return epoll_wait(epoll_.get(), &event, 1, 0) == 1 && event.data.u64 == connection_id &&
               (event.events & EPOLLIN) != 0;
    }
    size_t read() {
        Connection::Calls calls;
        connection_->readable(false, calls);
        return calls.size();
    }

    test::Gate gate_;
    ProgramSet programs_;
    Dispatcher dispatcher_{programs_};
    Limits limits_{.max_in_flight = 100'000};
    ManualClock clock_;
    MemoryBudget budget_{size_t{1} << 20};
    FileDescriptor epoll_{epoll_create1(EPOLL_CLOEXEC)};
    std::atomic<uint64_t> work_found_{0};
    std::array<int, 2> sockets_{};
    FileDescriptor client_;
    std::optional<Connection> connection_;
};

TEST_F(ConnectionTest, MoreThanATurnIsReadInSeveralAndEachEndIsTold) {
    constexpr size_t count = 1000;
    const size_t call_bytes = send_calls(count);
    // The reader takes as much at a time as it has room for.
    constexpr size_t largest_read_bytes = size_t{16} << 10;
    const size_t most_of_a_turn = (limits_.turn_bytes + largest_read_bytes) / call_bytes + 1;
    ASSERT_LT(most_of_a_turn, count / 2);
    size_t received = 0, turns = 0;
    for (; is_told_of(); ++turns) {
        const size_t of_this_turn = read();
        EXPECT_LE(of_this_turn, most_of_a_turn);
        received += of_this_turn;
    }
    EXPECT_EQ(received, count);
    EXPECT_GE(turns, 2U);
}

TEST_F(ConnectionTest, WhatFitsATurnIsReadInOneAndNothingIsToldAgain) {
    send_calls(3);
    EXPECT_TRUE(is_told_of());
    EXPECT_EQ(read(), 3U);
    EXPECT_FALSE(is_told_of());
}

// A thread that stays with the connection looks again by itself; when it leaves, the others are told.
TEST_F(ConnectionTest, InAStayTheOthersAreToldAtItsEndOnly) {
    constexpr size_t count = 1000;
    ASSERT_TRUE(connection_->begin_stay());
    send_calls(count);
    const size_t received = read();
    EXPECT_LT(received, count);
    EXPECT_FALSE(is_told_of());
    connection_->end_stay();
    EXPECT_TRUE(is_told_of());
}

}  // namespace
}  // namespace lockstep::server::rpc
