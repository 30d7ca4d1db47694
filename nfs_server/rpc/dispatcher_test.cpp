// Every answer of RFC 5531 section 9, byte by byte where it matters.
#include "nfs_server/rpc/dispatcher.hpp"

#include <gtest/gtest.h>

#include "nfs_server/rpc/test_client.hpp"
#include "nfs_server/rpc/test_program.hpp"

namespace lockstep::server::rpc {
namespace {

using test::Bytes;
using test::Reply;
using test::Target;

class DispatcherTest : public testing::Test {
 protected:
    DispatcherTest() {
        programs_.add(test::test_program(gate_));
        programs_.add(Program(test::test_program_number, 5, "TEST"));
    }

    Answer answer(Bytes message) {
        Arena arena;
        std::vector<iovec> pieces;
        const Answer made = dispatcher_.answer(message, {.connection_id = 1, .peer = peer_}, arena, pieces);
        bytes_ = test::gathered(pieces);
        EXPECT_EQ(bytes_.size(), made.size_bytes);
        return made;
    }
    Reply reply(Bytes message) {
        answer(std::move(message));
        const auto parsed = test::parse_reply(bytes_);
        EXPECT_TRUE(parsed.has_value());
        return parsed.value_or(Reply{});
    }

    test::Gate gate_;
    ProgramSet programs_;
    Dispatcher dispatcher_{programs_};
    PeerAddress peer_ = *PeerAddress::parse("127.0.0.1", 700);
    Bytes bytes_;
};

TEST_F(DispatcherTest, ProcedureZeroAnswersNothing) {
    EXPECT_EQ(answer(test::call_message(7, test::to(0))).kind, Answer::Kind::reply);
    EXPECT_EQ(bytes_, test::words({7, 1, 0, 0, 0, 0}));
}

TEST_F(DispatcherTest, RequestNumbersAreNeverZeroAndNeverTheSame) {
    const auto first = answer(test::call_message(7, test::to(0)));
    const auto second = answer(test::call_message(7, test::to(0)));
    EXPECT_NE(first.request_id, 0u);
    EXPECT_LT(first.request_id, second.request_id);
}

TEST_F(DispatcherTest, AnUnknownProgramIsUnavailable) {
    EXPECT_EQ(answer(test::call_message(8, {99, 3, 0})).kind, Answer::Kind::refused);
    EXPECT_EQ(bytes_, test::words({8, 1, 0, 0, 0, 1}));
}

TEST_F(DispatcherTest, AnotherVersionIsAnsweredWithTheRangeThereIs) {
    for (const uint32_t version : {0u, 2u, 4u, 6u, 0xffffffffu}) {
        EXPECT_EQ(answer(test::call_message(9, {test::test_program_number, version, 0})).accept_status, 2u);
        EXPECT_EQ(bytes_, test::words({9, 1, 0, 0, 0, 2, 3, 5}));
    }
}

TEST_F(DispatcherTest, AnUnknownProcedureIsUnavailable) {
    for (const uint32_t procedure : {6u, 1000u, 0xffffffffu}) {
        answer(test::call_message(10, test::to(procedure)));
        EXPECT_EQ(bytes_, test::words({10, 1, 0, 0, 0, 3}));
    }
}

TEST_F(DispatcherTest, ArgumentsThatDoNotDecodeAreGarbage) {
    answer(test::call_message(11, test::to(test::produce)));
    EXPECT_EQ(bytes_, test::words({11, 1, 0, 0, 0, 4}));
}

TEST_F(DispatcherTest, AnotherVersionOfRpcIsDeniedWithTheRangeThereIs) {
    for (const uint32_t version : {0u, 1u, 3u}) {
        EXPECT_EQ(answer(test::words({12, 0, version, test::test_program_number, 3, 0, 0, 0, 0, 0})).accept_status,
                  100u);
        EXPECT_EQ(bytes_, test::words({12, 1, 1, 0, 2, 2}));
    }
}

TEST_F(DispatcherTest, CredentialsThatAreNoneAreDenied) {
    const auto denied = [&](std::initializer_list<uint32_t> authentication, uint32_t auth_status) {
        Bytes message = test::words({13, 0, 2, test::test_program_number, 3, 0});
        const Bytes more = test::words(authentication);
        message.insert(message.end(), more.begin(), more.end());
        EXPECT_EQ(answer(message).accept_status, 101u);
        EXPECT_EQ(bytes_, test::words({13, 1, 1, 1, auth_status}));
    };
    denied({6, 0, 0, 0}, 1);             // an unknown flavor
    denied({2, 0, 0, 0}, 2);             // AUTH_SHORT: nothing was handed out
    denied({1, 0, 0, 0}, 1);             // AUTH_SYS without a body
    denied({1, 20, 0, 0, 1, 2, 17}, 1);  // … with more groups than its body holds
    denied({0, 401, 0, 0}, 1);           // longer than 400 bytes
    denied({0, 0xffffffff}, 1);          // longer than anything
    denied({0, 0}, 3);                   // no verifier
    denied({0, 0, 0, 404}, 3);
}

TEST_F(DispatcherTest, WhatIsNoCallGetsNoAnswer) {
    EXPECT_EQ(answer({}).kind, Answer::Kind::none);
    EXPECT_EQ(answer(test::words({1})).kind, Answer::Kind::none);
    EXPECT_EQ(answer(test::words({1, 1, 0, 0, 0, 0})).kind, Answer::Kind::none) << "a reply";
    EXPECT_EQ(answer(test::words({1, 0, 2, 3})).kind, Answer::Kind::none);
}

TEST_F(DispatcherTest, CredentialsReachTheProcedure) {
    auto known = reply(test::call_message<NoValue>(14, test::to(test::whoami), xdr_no_value, {}, 1234));
    EXPECT_EQ(known.word(0), 1234u);
    EXPECT_EQ(known.word(1), 1235u);
    auto nobody = reply(test::call_message(15, test::to(test::whoami)));
    EXPECT_EQ(nobody.word(0), Credentials::nobody_id);
}

TEST_F(DispatcherTest, AResultThatDoesNotEncodeIsASystemError) {
    Program broken(77, 1, "BROKEN");
    broken.add(1, "TOO_LONG", xdr_no_value, wire::xdr_nfs_fh3,
               [](const CallContext&, const NoValue&, wire::nfs_fh3& res) {
                   static char handle[65];
                   res.data = {65, handle};
               });
    programs_.add(std::move(broken));
    EXPECT_EQ(answer(test::call_message(16, {77, 1, 1})).kind, Answer::Kind::reply);
    EXPECT_EQ(bytes_, test::words({16, 1, 0, 0, 0, 5}));
}

}  // namespace
}  // namespace lockstep::server::rpc
