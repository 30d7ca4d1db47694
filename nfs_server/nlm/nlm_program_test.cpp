// NLM over messages: what each procedure answers, and a random history against a model.
#include "nfs_server/nlm/nlm_program.hpp"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <random>

#include "nfs_server/nlm/lock_report.hpp"
#include "nfs_server/rpc/dispatcher.hpp"
#include "nfs_server/rpc/test_client.hpp"
#include "nfs_server/wire/nlm4.hpp"

namespace lockstep::server::nlm {
namespace {

using namespace wire;
using rpc::test::Bytes;

// Handles are "N" for file N; "stale" was one; all else never was.
class TestFiles final : public FileResolver {
 public:
    fs::Outcome<fs::FileIdentity> resolve(std::span<const std::byte> handle, const rpc::CallContext&,
                                          LockMode mode) override {
        if (is_read_only_ && mode == LockMode::exclusive) return fail(fs::Error(fs::Error::read_only));
        if (removed_ && !handle.empty() && handle[0] == std::byte{'9'}) return fail(fs::Error(fs::Error::stale));
        return decode(handle);
    }
    fs::Outcome<fs::FileIdentity> decode(std::span<const std::byte> handle) override {
        if (handle.size() == 5) return fail(fs::Error(fs::Error::stale));
        if (handle.size() != 1) return fail(fs::Error(fs::Error::bad_handle));
        return fs::FileIdentity{static_cast<uint64_t>(handle[0]), 1};
    }
    // File 9 is gone from now on.
    void remove_file_9() { removed_ = true; }
    void make_read_only() { is_read_only_ = true; }

 private:
    bool removed_ = false;
    bool is_read_only_ = false;
};

nlm_netobj netobj(std::string& text) {
    return {static_cast<u_int>(text.size()), text.data()};
}

// What names a lock, with strings that live as long as the test.
struct Names {
    std::string caller = "client";
    std::string file = "1";
    std::string handle = "owner";
    int32_t svid = 1;
    uint64_t offset = 0;
    uint64_t length = 0;
};

class NlmProgramTest : public testing::Test {
 protected:
    NlmProgramTest() { programs_.add(nlm_program(manager_)); }

    template <class Args, class Res>
    std::optional<Res> call(uint32_t procedure, bool_t (*xdr_args)(XDR*, Args*), Args args,
                            bool_t (*xdr_res)(XDR*, Res*)) {
        auto reply = send(procedure, xdr_args, args);
        return reply ? replies_.emplace_back(std::move(*reply)).decode(xdr_res, arena_) : std::nullopt;
    }
    template <class Args>
    std::optional<rpc::test::Reply> send(uint32_t procedure, bool_t (*xdr_args)(XDR*, Args*), Args args) {
        Bytes message = rpc::test::call_message(1, {NLM_PROGRAM, 4, procedure}, xdr_args, args);
        Arena arena;
        std::vector<iovec> pieces;
        dispatcher_.answer(message, {.connection_id = 1, .peer = peer_}, arena, pieces);
        return rpc::test::parse_reply(rpc::test::gathered(pieces));
    }

    nlm4_lock alock(const Names& names) {
        Names& kept = names_.emplace_back(names);
        return {.caller_name = kept.caller.data(),
                .fh = netobj(kept.file),
                .oh = netobj(kept.handle),
                .svid = kept.svid,
                .l_offset = kept.offset,
                .l_len = kept.length};
    }
    nlm4_stats lock(const Names& names, bool exclusive = true, bool block = false) {
        nlm4_lockargs args{};
        args.cookie = netobj(cookie_);
        args.exclusive = exclusive;
        args.block = block;
        args.alock = alock(names);
        return status(call(NLMPROC4_LOCK, xdr_nlm4_lockargs, args, xdr_nlm4_res));
    }
    nlm4_stats unlock(const Names& names) {
        nlm4_unlockargs args{};
        args.cookie = netobj(cookie_);
        args.alock = alock(names);
        return status(call(NLMPROC4_UNLOCK, xdr_nlm4_unlockargs, args, xdr_nlm4_res));
    }
    nlm4_testres test(const Names& names, bool exclusive = true) {
        nlm4_testargs args{};
        args.cookie = netobj(cookie_);
        args.exclusive = exclusive;
        args.alock = alock(names);
        const auto res = call(NLMPROC4_TEST, xdr_nlm4_testargs, args, xdr_nlm4_testres);
        EXPECT_TRUE(res.has_value());
        return res.value_or(nlm4_testres{});
    }
    nlm4_stats status(const std::optional<nlm4_res>& res) {
        if (!res) {
            ADD_FAILURE() << "no reply";
            return NLM4_FAILED;
        }
        EXPECT_EQ(std::string_view(res->cookie.nlm_netobj_val, res->cookie.nlm_netobj_len), cookie_);
        return res->stat.stat;
    }

    TestFiles files_;
    LockManager manager_{files_};
    rpc::ProgramSet programs_;
    rpc::Dispatcher dispatcher_{programs_};
    rpc::PeerAddress peer_ = *rpc::PeerAddress::parse("192.0.2.7", 800);
    std::string cookie_ = "cookie";
    Arena arena_;
    std::deque<Names> names_;
    std::deque<rpc::test::Reply> replies_;
};

TEST_F(NlmProgramTest, LockTestAndUnlockAgree) {
    EXPECT_EQ(lock({.svid = 7, .offset = 10, .length = 5}), NLM4_GRANTED);
    EXPECT_EQ(lock({.caller = "other", .offset = 14, .length = 1}), NLM4_DENIED);
    const auto held = test({.caller = "other"});
    ASSERT_EQ(held.stat.stat, NLM4_DENIED);
    const auto& holder = held.stat.nlm4_testrply_u.holder;
    EXPECT_TRUE(holder.exclusive);
    EXPECT_EQ(holder.svid, 7);
    EXPECT_EQ(std::string_view(holder.oh.nlm_netobj_val, holder.oh.nlm_netobj_len), "owner");
    EXPECT_EQ(holder.l_offset, 10u);
    EXPECT_EQ(holder.l_len, 5u);
    EXPECT_EQ(unlock({.svid = 7}), NLM4_GRANTED);
    EXPECT_EQ(test({.caller = "other"}).stat.stat, NLM4_GRANTED);
    EXPECT_EQ(lock({.caller = "other", .offset = 14, .length = 1}), NLM4_GRANTED);
}

TEST_F(NlmProgramTest, OwnersDifferByCallerHandleAndSvid) {
    EXPECT_EQ(lock({}), NLM4_GRANTED);
    EXPECT_EQ(lock({}), NLM4_GRANTED) << "a retransmission";
    EXPECT_EQ(lock({.caller = "client2"}), NLM4_DENIED);
    EXPECT_EQ(lock({.handle = "owner2"}), NLM4_DENIED);
    EXPECT_EQ(lock({.svid = 2}), NLM4_DENIED);
    EXPECT_EQ(lock({.caller = "clien", .handle = "towner"}), NLM4_DENIED) << "names do not run into each other";
}

TEST_F(NlmProgramTest, HostsOfOneNameAreDifferentClients) {
    EXPECT_EQ(lock({}), NLM4_GRANTED);
    const auto home = std::exchange(peer_, *rpc::PeerAddress::parse("192.0.2.8", 800));
    EXPECT_EQ(lock({}), NLM4_DENIED) << "caller, handle and svid are the same";
    EXPECT_EQ(unlock({}), NLM4_GRANTED) << "of nothing";
    EXPECT_EQ(lock({}), NLM4_DENIED);
    EXPECT_EQ(manager_.owners.clients_named("client").size(), 1u);
    peer_ = home;
    EXPECT_EQ(lock({}), NLM4_GRANTED) << "it holds it still";
    EXPECT_EQ(unlock({}), NLM4_GRANTED);
    EXPECT_EQ(manager_.table.count(), 0u);
}

TEST_F(NlmProgramTest, SharedLocksGoTogether) {
    EXPECT_EQ(lock({}, false), NLM4_GRANTED);
    EXPECT_EQ(lock({.svid = 2}, false), NLM4_GRANTED);
    EXPECT_EQ(lock({}, true), NLM4_DENIED) << "an upgrade beside another reader";
    EXPECT_EQ(unlock({.svid = 2}), NLM4_GRANTED);
    EXPECT_EQ(lock({}, true), NLM4_GRANTED);
}

TEST_F(NlmProgramTest, ReleasingAnUnheldRangeIsGranted) {
    EXPECT_EQ(unlock({.offset = 5, .length = 6}), NLM4_GRANTED);
}

TEST_F(NlmProgramTest, ARangeBeyondSixtyFourBitsIsTooBig) {
    const Names beyond{.offset = UINT64_MAX, .length = 2};
    EXPECT_EQ(lock(beyond), NLM4_FBIG);
    EXPECT_EQ(unlock(beyond), NLM4_FBIG);
    EXPECT_EQ(test(beyond).stat.stat, NLM4_FBIG);
    EXPECT_EQ(lock({.offset = UINT64_MAX, .length = 1}), NLM4_GRANTED);
    EXPECT_EQ(test({.svid = 2}).stat.nlm4_testrply_u.holder.l_len, 0u) << "up to the last byte is to the end";
}

TEST_F(NlmProgramTest, HandlesThatAreStaleOrForgedAreToldSo) {
    for (const char* handle : {"stale", "", "forged handle"}) {
        EXPECT_EQ(lock({.file = handle}), NLM4_STALE_FH);
        EXPECT_EQ(unlock({.file = handle}), NLM4_STALE_FH);
        EXPECT_EQ(test({.file = handle}).stat.stat, NLM4_STALE_FH);
    }
}

TEST_F(NlmProgramTest, TheLocksOfARemovedFileCanBeReleased) {
    EXPECT_EQ(lock({.file = "9"}), NLM4_GRANTED);
    files_.remove_file_9();
    EXPECT_EQ(lock({.file = "9", .svid = 2}), NLM4_STALE_FH);
    EXPECT_EQ(unlock({.file = "9"}), NLM4_GRANTED);
    EXPECT_EQ(manager_.table.count(), 0u);
}

TEST_F(NlmProgramTest, WithoutCallbacksABlockingRequestIsNotPromisedOne) {
    EXPECT_EQ(lock({}), NLM4_GRANTED);
    EXPECT_EQ(lock({.svid = 2}, true, true), NLM4_DENIED_NOLOCKS);
    nlm4_cancargs args{};
    args.cookie = netobj(cookie_);
    args.alock = alock({.svid = 2});
    EXPECT_EQ(status(call(NLMPROC4_CANCEL, xdr_nlm4_cancargs, args, xdr_nlm4_res)), NLM4_DENIED) << "nothing waits";
    EXPECT_EQ(lock({.file = "2", .svid = 2}, true, true), NLM4_GRANTED) << "nothing is in the way";
}

TEST_F(NlmProgramTest, AReclaimIsRefusedWhenThereIsNoGracePeriod) {
    nlm4_lockargs args{};
    args.cookie = netobj(cookie_);
    args.reclaim = TRUE;
    args.alock = alock({});
    EXPECT_EQ(status(call(NLMPROC4_LOCK, xdr_nlm4_lockargs, args, xdr_nlm4_res)), NLM4_DENIED_GRACE_PERIOD);
}

TEST_F(NlmProgramTest, SharesDenyWhatTheirOwnersForbid) {
    const auto share = [&](const char* owner, fsh4_access access, fsh4_mode deny, uint32_t procedure = NLMPROC4_SHARE) {
        const nlm4_lock names = alock({.handle = owner});
        nlm4_shareargs args{};
        args.cookie = netobj(cookie_);
        args.share = {names.caller_name, names.fh, names.oh, deny, access};
        const auto res = call(procedure, xdr_nlm4_shareargs, args, xdr_nlm4_shareres);
        return res ? res->stat : NLM4_FAILED;
    };
    EXPECT_EQ(share("a", fsa_R, fsm_DW), NLM4_GRANTED);
    EXPECT_EQ(share("b", fsa_W, fsm_DN), NLM4_DENIED) << "a denies writing";
    EXPECT_EQ(share("b", fsa_R, fsm_DR), NLM4_DENIED) << "a reads";
    EXPECT_EQ(share("b", fsa_R, fsm_DN), NLM4_GRANTED);
    const auto report = report_locks(manager_);
    ASSERT_EQ(report.at("shares").size(), 2u);
    EXPECT_EQ(report.at("shares")[0].at("client"), "client");
    EXPECT_EQ(report.at("shares")[0].at("deny"), "writing");
    EXPECT_NE(locks_as_text(report).find("share: reading, denies others writing"), std::string::npos);
    EXPECT_EQ(share("a", fsa_RW, fsm_DRW), NLM4_DENIED) << "b reads";
    EXPECT_EQ(share("b", fsa_R, fsm_DN, NLMPROC4_UNSHARE), NLM4_GRANTED);
    EXPECT_EQ(share("a", fsa_RW, fsm_DRW), NLM4_GRANTED) << "replaces its own";
    EXPECT_EQ(manager_.shares.count(), 1u);
    std::string name = "client";
    EXPECT_TRUE(send(NLMPROC4_FREE_ALL, xdr_nlm4_notify, nlm4_notify{.name = name.data(), .state = 1}).has_value());
    EXPECT_EQ(manager_.shares.count(), 0u);
}

TEST_F(NlmProgramTest, WhatMayOnlyBeReadIsLockedForReadingOnly) {
    EXPECT_EQ(lock({}), NLM4_GRANTED);
    files_.make_read_only();
    EXPECT_EQ(lock({.offset = 5}), NLM4_ROFS);
    EXPECT_EQ(test({.offset = 5}).stat.stat, NLM4_ROFS);
    EXPECT_EQ(unlock({}), NLM4_GRANTED) << "what was locked before can be given up";
    EXPECT_EQ(lock({}, false), NLM4_GRANTED);
}

TEST_F(NlmProgramTest, GrantedIsRefusedByAServerThatWaitsForNothing) {
    nlm4_testargs args{};
    args.cookie = netobj(cookie_);
    args.alock = alock({});
    EXPECT_EQ(status(call(NLMPROC4_GRANTED, xdr_nlm4_testargs, args, xdr_nlm4_res)), NLM4_DENIED);
}

TEST_F(NlmProgramTest, FreeAllIsBelievedFromTheClientsOwnAddressOnly) {
    EXPECT_EQ(lock({}), NLM4_GRANTED);
    EXPECT_EQ(lock({.caller = "other", .file = "2"}), NLM4_GRANTED);
    std::string name = "client";
    const nlm4_notify notify{.name = name.data(), .state = 1};
    const auto own_address = peer_;
    peer_ = *rpc::PeerAddress::parse("192.0.2.8", 800);
    EXPECT_TRUE(send(NLMPROC4_FREE_ALL, xdr_nlm4_notify, notify).has_value());
    EXPECT_EQ(manager_.table.count(), 2u);
    peer_ = own_address;
    EXPECT_TRUE(send(NLMPROC4_FREE_ALL, xdr_nlm4_notify, notify).has_value());
    EXPECT_EQ(manager_.table.count(), 1u);
}

TEST_F(NlmProgramTest, WhatTheProtocolDoesNotHaveIsUnavailable) {
    for (const uint32_t procedure : {17u, 18u, 19u, 24u}) {
        const auto reply = send(procedure, rpc::xdr_no_value, rpc::NoValue{});
        ASSERT_TRUE(reply.has_value());
        EXPECT_EQ(reply->status, 3u) << "PROC_UNAVAIL for " << procedure;
    }
}

// A history of random calls: the answers are those of an array of bytes with one mode for each owner.
TEST_F(NlmProgramTest, ARandomHistoryAnswersAsTheModelDoes) {
    constexpr size_t bytes = 32;
    constexpr int owners = 5;
    const uint64_t seed = 99;
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    std::array<std::array<int, bytes + 1>, owners> model{};  // the last: all bytes behind
    int denied = 0;
    for (int step = 0; step < 3000; ++step) {
        const auto owner = static_cast<int32_t>(random() % owners);
        const size_t from = random() % bytes;
        const bool to_end = random() % 8 == 0;
        const size_t to = to_end ? bytes : std::min(bytes - 1, from + random() % 6);
        const bool exclusive = random() % 2 == 0;
        const Names names{.svid = owner, .offset = from, .length = to_end ? 0 : to - from + 1};
        bool conflict = false;
        for (int other = 0; other < owners; ++other)
            for (size_t byte = from; byte <= to; ++byte) {
                const int mode = model[static_cast<size_t>(other)][byte];
                conflict = conflict || (other != owner && mode != 0 && (mode == 2 || exclusive));
            }
        const auto set = [&](int mode) {
            for (size_t byte = from; byte <= to; ++byte) model[static_cast<size_t>(owner)][byte] = mode;
        };
        switch (random() % 3) {
            case 0:
                ASSERT_EQ(unlock(names), NLM4_GRANTED);
                set(0);
                break;
            case 1:
                ASSERT_EQ(test(names, exclusive).stat.stat, conflict ? NLM4_DENIED : NLM4_GRANTED) << step;
                break;
            default:
                ASSERT_EQ(lock(names, exclusive), conflict ? NLM4_DENIED : NLM4_GRANTED) << step;
                if (!conflict) set(exclusive ? 2 : 1);
        }
        denied += conflict ? 1 : 0;
        replies_.clear();
        names_.clear();
    }
    EXPECT_GT(denied, 500);
}

}  // namespace
}  // namespace lockstep::server::nlm
