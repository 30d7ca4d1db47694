// Runs the fuzz targets of what comes from clients, and of what is read from the disk, over valid bytes of every kind
// and seeded mutations of them: what a compiler without libFuzzer can do. LOCKSTEP_FUZZ_SEED and LOCKSTEP_FUZZ_ROUNDS
// let it run longer.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "nfs_server/nlm/monitored_clients.hpp"
#include "nfs_server/rpc/outgoing_message.hpp"
#include "nfs_server/rpc/test_client.hpp"
#include "nfs_server/wire/nlm4.hpp"
#include "nfs_server/wire/nsm1.hpp"

extern "C" int lockstep_reply_fuzz(const uint8_t* data, size_t size);
extern "C" int lockstep_monitor_record_fuzz(const uint8_t* data, size_t size);
extern "C" int lockstep_call_fuzz(const uint8_t* data, size_t size);

namespace lockstep::server::nlm {
namespace {

using namespace wire;
using Stream = std::vector<uint8_t>;
using Entry = int (*)(const uint8_t*, size_t);

void append(Stream& stream, const rpc::test::Bytes& bytes) {
    const auto* from = reinterpret_cast<const uint8_t*>(bytes.data());
    stream.insert(stream.end(), from, from + bytes.size());
}

unsigned number_of(const char* variable, unsigned otherwise) {
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

// One change of the kinds that break parsers, or a splice of two inputs.
void mutate(Stream& stream, const std::vector<Stream>& seeds, std::mt19937_64& random) {
    static constexpr uint32_t words[] = {0, 1, 2, 3, 4, 63, 64, 255, 1024, 0x7fffffff, 0x80000000, 0xffffffff};
    if (stream.empty()) return;
    const size_t at = random() % stream.size();
    switch (random() % 6) {
        case 0:
            stream[at] ^= static_cast<uint8_t>(1u << random() % 8);
            break;
        case 1:
        case 2: {
            if (stream.size() < 8) return;
            const uint32_t word = htonl(words[random() % std::size(words)]);
            std::memcpy(stream.data() + std::min(at / 4 * 4 + 3, stream.size() - 4), &word, 4);
            break;
        }
        case 3:
            stream.resize(at);
            break;
        case 4:
            stream.insert(stream.begin() + static_cast<ptrdiff_t>(at), stream.begin(),
                          stream.begin() + static_cast<ptrdiff_t>(random() % stream.size()));
            break;
        default: {
            const Stream& other = seeds[random() % seeds.size()];
            stream.insert(stream.end(), other.begin(), other.end());
        }
    }
}

void fuzz(Entry entry, const std::vector<Stream>& seeds, unsigned rounds) {
    ASSERT_FALSE(seeds.empty());
    for (const Stream& seed : seeds) entry(seed.data(), seed.size());
    const unsigned number = number_of("LOCKSTEP_FUZZ_SEED", 1);
    SCOPED_TRACE(testing::Message() << "LOCKSTEP_FUZZ_SEED=" << number);
    std::mt19937_64 random(number);
    for (unsigned round = number_of("LOCKSTEP_FUZZ_ROUNDS", rounds); round > 0; --round) {
        Stream stream = seeds[random() % seeds.size()];
        for (size_t changes = random() % 5; changes > 0; --changes) mutate(stream, seeds, random);
        entry(stream.data(), stream.size());
    }
}

Stream prefixed(uint8_t kind, const rpc::Bytes& bytes) {
    Stream stream{kind};
    append(stream, bytes);
    return stream;
}

TEST(LockFuzz, AnswersOfClientsHostsDoNoHarm) {
    using rpc::test::words;
    const rpc::Bytes port = words({7, 1, 0, 0, 0, 0, 4045});
    const rpc::Bytes denied = words({7, 1, 1, 0, 2, 2});
    const rpc::Bytes granted = words({7, 1, 0, 0, 0, 0, 4, 0x61626364, 0});
    rpc::Bytes address = words({7, 1, 0, 0, 0, 0, 15});
    for (const char c : std::string("192.0.2.1.15.20")) address.push_back(static_cast<std::byte>(c));
    address.push_back(std::byte{0});
    std::vector<Stream> seeds;
    for (const rpc::Bytes& message : {port, denied, granted, address}) {
        seeds.push_back(prefixed(0, message));
        seeds.push_back(prefixed(1, rpc::marked(message)));
        seeds.push_back(prefixed(1, rpc::test::record_of(message, 8)));
    }
    fuzz(lockstep_reply_fuzz, seeds, 40'000);
}

TEST(LockFuzz, AnEndlessRowOfFragmentsIsTurnedAway) {
    rpc::Bytes stream;
    for (int fragment = 0; fragment < 1000; ++fragment) rpc::test::append_word(stream, 0);
    EXPECT_EQ(rpc::take_record(stream).kind, rpc::TakenRecord::Kind::too_long);
    EXPECT_EQ(rpc::take_record(rpc::test::words({0xffffffff})).kind, rpc::TakenRecord::Kind::too_long);
    EXPECT_EQ(rpc::take_record(rpc::test::words({0x80000004})).kind, rpc::TakenRecord::Kind::incomplete);
}

TEST(LockFuzz, TheStoredListOfClientsMayBeAnything) {
    std::vector<Stream> seeds;
    for (const MonitorRecord& record :
         {MonitorRecord{},
          MonitorRecord{.state = 3,
          .boot_id = "b",
          .host_state = 5,
          .watches = {Watch{{"host", "192.0.2.1"}, "me", 100021, 4, 16, "sixteen\nbytes..."}},
          .owed = {{"other", "192.0.2.2"}}},
          MonitorRecord{.state = 7, .clients = {{"host", "192.0.2.1"}, {"", "2001:db8::1"}}},
          MonitorRecord{.state = UINT32_MAX, .clients = {{"a\nclient 192.0.2.1 1 b", "192.0.2.2"}}}}) {
        const std::string text = record.to_text();
        seeds.emplace_back(text.begin(), text.end());
    }
    fuzz(lockstep_monitor_record_fuzz, seeds, 40'000);
}

// A message of every procedure, so that mutations get past the decoder.
class Calls {
 public:
    std::vector<Stream> all() {
        const nlm_netobj object{1, handle_};
        const nlm4_lock lock{caller_, object, object, 1, 10, 20};
        const nlm4_lock to_end{caller_, object, object, 2, 15, 0};
        const nlm4_share share{caller_, object, object, fsm_DW, fsa_R};
        const nlm4_res answer{object, {NLM4_GRANTED}};
        for (const uint32_t procedure : {NLMPROC4_TEST, NLMPROC4_TEST_MSG, NLMPROC4_GRANTED, NLMPROC4_GRANTED_MSG})
            add(NLM_PROGRAM, 4, procedure, xdr_nlm4_testargs, nlm4_testargs{object, TRUE, lock});
        for (const uint32_t procedure : {NLMPROC4_LOCK, NLMPROC4_LOCK_MSG, NLMPROC4_NM_LOCK}) {
            add(NLM_PROGRAM, 4, procedure, xdr_nlm4_lockargs, nlm4_lockargs{object, TRUE, TRUE, lock, FALSE, 3});
            add(NLM_PROGRAM, 4, procedure, xdr_nlm4_lockargs, nlm4_lockargs{object, TRUE, FALSE, to_end, FALSE, 3});
            add(NLM_PROGRAM, 4, procedure, xdr_nlm4_lockargs, nlm4_lockargs{object, FALSE, TRUE, lock, TRUE, 3});
        }
        for (const uint32_t procedure : {NLMPROC4_CANCEL, NLMPROC4_CANCEL_MSG})
            add(NLM_PROGRAM, 4, procedure, xdr_nlm4_cancargs, nlm4_cancargs{object, TRUE, TRUE, lock});
        for (const uint32_t procedure : {NLMPROC4_UNLOCK, NLMPROC4_UNLOCK_MSG})
            add(NLM_PROGRAM, 4, procedure, xdr_nlm4_unlockargs, nlm4_unlockargs{object, lock});
        for (const uint32_t procedure :
             {NLMPROC4_LOCK_RES, NLMPROC4_CANCEL_RES, NLMPROC4_UNLOCK_RES, NLMPROC4_GRANTED_RES})
            add(NLM_PROGRAM, 4, procedure, xdr_nlm4_res, answer);
        add(NLM_PROGRAM, 4, NLMPROC4_TEST_RES, xdr_nlm4_testres, nlm4_testres{object, {NLM4_GRANTED, {}}});
        add(NLM_PROGRAM, 4, NLMPROC4_SM_NOTIFY, xdr_nlm4_sm_notify, nlm4_sm_notify{caller_, 5, {}});
        for (const uint32_t procedure : {NLMPROC4_SHARE, NLMPROC4_UNSHARE})
            add(NLM_PROGRAM, 4, procedure, xdr_nlm4_shareargs, nlm4_shareargs{object, share, FALSE});
        add(NLM_PROGRAM, 4, NLMPROC4_FREE_ALL, xdr_nlm4_notify, nlm4_notify{caller_, 5});
        add(SM_PROG, 1, SM_STAT, xdr_sm_name, sm_name{caller_});
        add(SM_PROG, 1, SM_NOTIFY, xdr_stat_chge, stat_chge{caller_, 7});
        add(SM_PROG, 1, SM_MON, xdr_mon, mon{{address_, {caller_, 100021, 4, 16}}, {}});
        add(SM_PROG, 1, SM_UNMON, xdr_mon_id, mon_id{caller_, {caller_, 1, 2, 3}});
        add(SM_PROG, 1, SM_UNMON_ALL, xdr_my_id, my_id{caller_, 1, 2, 3});
        add(SM_PROG, 1, SM_SIMU_CRASH, rpc::xdr_no_value, rpc::NoValue{});
        return std::move(calls_);
    }

 private:
    // From either host.
    template <class Args>
    void add(uint32_t program, uint32_t version, uint32_t procedure, bool_t (*xdr_args)(XDR*, Args*), Args args) {
        const auto message = rpc::test::call_message(1, {program, version, procedure}, xdr_args, args);
        for (const uint8_t host : {0, 1}) {
            Stream stream{host, static_cast<uint8_t>(message.size() >> 8), static_cast<uint8_t>(message.size())};
            append(stream, message);
            calls_.push_back(stream);
        }
    }
    char caller_[5] = "host";
    char address_[10] = "127.0.0.1";
    char handle_[2] = "h";
    std::vector<Stream> calls_;
};

TEST(LockFuzz, CallsOfEveryKindLeaveTheLocksSound) {
    Calls calls;
    const auto seeds = calls.all();
    EXPECT_GE(seeds.size(), 2u * 26);
    fuzz(lockstep_call_fuzz, seeds, 30'000);
}

}  // namespace
}  // namespace lockstep::server::nlm
