// The lock table as it grows, under contention, and a whole LOCK and UNLOCK beside a NULL call. See README.md for
// figures.
#include <benchmark/benchmark.h>

#include <atomic>
#include <random>
#include <thread>

#include "nfs_server/nlm/nlm_program.hpp"
#include "nfs_server/rpc/dispatcher.hpp"
#include "nfs_server/rpc/tcp_server.hpp"
#include "nfs_server/rpc/test_client.hpp"
#include "nfs_server/wire/nlm4.hpp"

namespace lockstep::server::nlm {
namespace {

constexpr uint64_t stride = 16;  // locks of two bytes, apart from each other

LockRequest request(uint64_t file, const std::shared_ptr<const LockOwner>& owner, uint64_t index) {
    return {.request_id = 1,
            .file = {file, 1},
            .owner = owner,
            .range = {index * stride, index * stride + 1},
            .mode = LockMode::exclusive};
}

void fill(LockTable& table, uint64_t file, const std::shared_ptr<const LockOwner>& owner, uint64_t count) {
    std::vector<uint64_t> order(count);
    for (uint64_t i = 0; i < count; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
    for (const uint64_t index : order) table.lock(request(file, owner, index));
}

// A free place among the ranges of another owner: looked for, taken, given up.
void lock_and_unlock_between(benchmark::State& state, LockTable& table, LockOwners& owners, uint64_t file,
                             uint64_t count) {
    const auto me = owners.find_or_add("me", "oh", 1, "192.0.2.1");
    std::mt19937_64 random(2);
    for (auto _ : state) {
        LockRequest mine = request(file, me, random() % count);
        mine.range.first += stride / 2;
        mine.range.last += stride / 2;
        table.lock(mine);
        table.unlock(mine);
    }
    state.SetItemsProcessed(state.iterations());
}

void one_file(benchmark::State& state) {
    LockOwners owners;
    LockTable table;
    const auto count = static_cast<uint64_t>(state.range(0));
    fill(table, 1, owners.find_or_add("other", "oh", 1, "192.0.2.1"), count);
    lock_and_unlock_between(state, table, owners, 1, count);
}
BENCHMARK(one_file)->Arg(1)->Arg(100)->Arg(10'000)->Arg(100'000)->Arg(1'000'000);

void a_million_locks_in_all(benchmark::State& state) {
    LockOwners owners;
    LockTable table;
    const auto files = static_cast<uint64_t>(state.range(0));
    const auto other = owners.find_or_add("other", "oh", 1, "192.0.2.1");
    for (uint64_t file = 1; file <= files; ++file) fill(table, file, other, 1'000'000 / files);
    lock_and_unlock_between(state, table, owners, 1, 1'000'000 / files);
}
BENCHMARK(a_million_locks_in_all)->Arg(10)->Arg(100'000);

// One file, while another thread locks and unlocks as fast as it can: in no file (0), in another (1), in the same (2).
void beside_another_thread(benchmark::State& state) {
    LockOwners owners;
    LockTable table;
    std::atomic<bool> stop{false};
    const auto mode = state.range(0);
    std::thread other([&, owner = owners.find_or_add("other", "oh", 1, "192.0.2.1")] {
        while (mode != 0 && !stop) {
            const auto busy = request(mode == 2 ? 1 : 2, owner, 999);
            table.lock(busy);
            table.unlock(busy);
        }
    });
    lock_and_unlock_between(state, table, owners, 1, 100);
    stop = true;
    other.join();
}
BENCHMARK(beside_another_thread)->Arg(0)->Arg(1)->Arg(2);

class AnyFile final : public FileResolver {
 public:
    fs::Outcome<fs::FileIdentity> resolve(std::span<const std::byte>, const rpc::CallContext&, LockMode) override {
        return fs::FileIdentity{7, 1};
    }
    fs::Outcome<fs::FileIdentity> decode(std::span<const std::byte>) override { return fs::FileIdentity{7, 1}; }
};

// From a received message to the pieces of its reply: everything but the socket and the file system.
class Calls {
 public:
    Calls() { programs_.add(nlm_program(manager_)); }
    void answer(const rpc::test::Bytes& message) {
        rpc::test::Bytes received = message;
        Arena arena(2048);
        std::vector<iovec> pieces;
        benchmark::DoNotOptimize(
            dispatcher_.answer(received, {.connection_id = 1, .peer = peer_}, arena, pieces).size_bytes);
    }
    static wire::nlm4_lock alock() {
        static char text[] = "name";
        return {.caller_name = text, .fh = {4, text}, .oh = {4, text}, .svid = 1, .l_offset = 0, .l_len = 10};
    }

 private:
    AnyFile files_;
    LockManager manager_{files_};
    rpc::ProgramSet programs_;
    rpc::Dispatcher dispatcher_{programs_};
    rpc::PeerAddress peer_ = *rpc::PeerAddress::parse("192.0.2.1", 700);
};

void null_call(benchmark::State& state) {
    Calls calls;
    const auto message = rpc::test::call_message(1, {NLM_PROGRAM, 4, 0});
    for (auto _ : state) calls.answer(message);
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(null_call);

void lock_and_unlock_calls(benchmark::State& state) {
    Calls calls;
    wire::nlm4_lockargs lock{};
    lock.exclusive = TRUE;
    lock.alock = Calls::alock();
    wire::nlm4_unlockargs unlock{};
    unlock.alock = Calls::alock();
    const auto locking = rpc::test::call_message(1, {NLM_PROGRAM, 4, NLMPROC4_LOCK}, wire::xdr_nlm4_lockargs, lock);
    const auto unlocking =
        rpc::test::call_message(1, {NLM_PROGRAM, 4, NLMPROC4_UNLOCK}, wire::xdr_nlm4_unlockargs, unlock);
    for (auto _ : state) {
        calls.answer(locking);
        calls.answer(unlocking);
    }
    state.SetItemsProcessed(2 * state.iterations());  // calls
}
BENCHMARK(lock_and_unlock_calls);

// The same over TCP on the loopback, one call at a time: what a client sees.
class Connected {
 public:
    Connected() {
        programs_.add(nlm_program(manager_));
        const auto bound = server_.listen(*rpc::PeerAddress::parse("127.0.0.1", 0), programs_);
        server_.start(2);
        client_ = std::make_unique<rpc::test::Client>(bound->port());
    }
    template <class Args>
    bool call(uint32_t procedure, bool_t (*xdr_args)(XDR*, Args*), const Args& args) {
        return client_->call({NLM_PROGRAM, 4, procedure}, xdr_args, args).has_value();
    }

 private:
    AnyFile files_;
    LockManager manager_{files_};
    rpc::ProgramSet programs_;
    rpc::TcpServer server_;
    std::unique_ptr<rpc::test::Client> client_;
};

void null_over_tcp(benchmark::State& state) {
    Connected server;
    for (auto _ : state)
        if (!server.call(0, rpc::xdr_no_value, rpc::NoValue{})) state.SkipWithError("no answer");
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(null_over_tcp)->UseRealTime();

void lock_and_unlock_over_tcp(benchmark::State& state) {
    Connected server;
    wire::nlm4_lockargs lock{};
    lock.exclusive = TRUE;
    lock.alock = Calls::alock();
    wire::nlm4_unlockargs unlock{};
    unlock.alock = Calls::alock();
    for (auto _ : state) {
        if (!server.call(NLMPROC4_LOCK, wire::xdr_nlm4_lockargs, lock) ||
            !server.call(NLMPROC4_UNLOCK, wire::xdr_nlm4_unlockargs, unlock))
            state.SkipWithError("no answer");
    }
    state.SetItemsProcessed(2 * state.iterations());  // calls
}
BENCHMARK(lock_and_unlock_over_tcp)->UseRealTime();

}  // namespace
}  // namespace lockstep::server::nlm
