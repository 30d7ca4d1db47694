// The facts that transactions state, as an in-process probe meets them; and that each deliberate fault shows in them.
#include <gtest/gtest.h>
#include <lttng/tracepoint.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "nfs_server/base/faults.hpp"
#include "nfs_server/txn/memory_store.hpp"
#include "tracepoints/txn.tp"

namespace lockstep::server::txn {
namespace {

struct Facts {
    std::vector<std::string> seen;
    std::set<uint64_t> shrinking;                 // transactions that have released a lock
    std::map<uint64_t, std::set<uint64_t>> held;  // by transaction
    int locked_late = 0;
    int written_unlocked = 0;
};

void on_began(void* data, uint64_t, uint64_t request_id) {
    static_cast<Facts*>(data)->seen.push_back("began " + std::to_string(request_id));
}
void on_lock_acquired(void* data, uint64_t txn_id, uint64_t address, uint8_t exclusive) {
    auto* facts = static_cast<Facts*>(data);
    facts->seen.push_back((exclusive != 0 ? "exclusive " : "shared ") + std::to_string(address & 0xff));
    facts->locked_late += facts->shrinking.contains(txn_id) ? 1 : 0;
    facts->held[txn_id].insert(address);
}
void on_lock_released(void* data, uint64_t txn_id, uint64_t address) {
    auto* facts = static_cast<Facts*>(data);
    facts->seen.push_back("released " + std::to_string(address & 0xff));
    facts->shrinking.insert(txn_id);
    facts->held[txn_id].erase(address);
}
void on_written(void* data, uint64_t txn_id, uint64_t address, uint64_t block, uint32_t offset, uint32_t size) {
    auto* facts = static_cast<Facts*>(data);
    facts->seen.push_back("written " + std::to_string(block) + "+" + std::to_string(offset) + "," +
                          std::to_string(size));
    facts->written_unlocked += facts->held[txn_id].contains(address) ? 0 : 1;
}
void on_committed(void* data, uint64_t, uint64_t request_id, uint64_t sequence) {
    static_cast<Facts*>(data)->seen.push_back("committed " + std::to_string(request_id) + " as " +
                                              std::to_string(sequence));
}
void on_aborted(void* data, uint64_t, uint64_t request_id) {
    static_cast<Facts*>(data)->seen.push_back("aborted " + std::to_string(request_id));
}

class TransactionTracepoints : public ::testing::Test {
 protected:
    TransactionTracepoints() { each_probe(lttng_ust_tracepoint_provider_register); }
    ~TransactionTracepoints() override {
        each_probe(lttng_ust_tracepoint_provider_unregister);
        for (Fault* fault : Fault::all()) fault->disable();
    }

    Result<void, StorageError> change(Transaction& txn, uint64_t inode) {
        const std::byte bytes[4] = {};
        LOCKSTEP_TRY(txn.lock(LockAddress::inode(inode), LockMode::exclusive));
        return txn.write(LockAddress::inode(inode), 9, static_cast<uint32_t>(inode * 16), bytes);
    }

    void run_many() {
        for (int i = 0; i < 200; ++i) {
            auto outcome = store.manager().run(1, [&](Transaction& txn) -> Result<void, StorageError> {
                for (uint64_t inode = 1; inode <= 3; ++inode) LOCKSTEP_TRY(change(txn, inode));
                return {};
            });
            ASSERT_TRUE(outcome && outcome->committed);
        }
    }

    Facts facts;
    MemoryStore store{64};

 private:
    template <class Call>
    void each_probe(Call&& call) {
        struct Probe {
            const char* event;
            void (*callback)();
            const char* signature;
        };
        static const Probe probes[] = {
            {"began", reinterpret_cast<void (*)()>(&on_began), "uint64_t, txn_id, uint64_t, request_id"},
            {"lock_acquired", reinterpret_cast<void (*)()>(&on_lock_acquired),
             "uint64_t, txn_id, uint64_t, address, uint8_t, exclusive"},
            {"lock_released", reinterpret_cast<void (*)()>(&on_lock_released), "uint64_t, txn_id, uint64_t, address"},
            {"written", reinterpret_cast<void (*)()>(&on_written),
             "uint64_t, txn_id, uint64_t, address, uint64_t, block, uint32_t, offset_bytes, uint32_t, size_bytes"},
            {"committed", reinterpret_cast<void (*)()>(&on_committed),
             "uint64_t, txn_id, uint64_t, request_id, uint64_t, sequence"},
            {"aborted", reinterpret_cast<void (*)()>(&on_aborted), "uint64_t, txn_id, uint64_t, request_id"},
        };
        for (const Probe& probe : probes) {
            if constexpr (std::is_invocable_v<Call, const char*, const char*, void (*)(), void*, const char*>)
                EXPECT_EQ(0, call("txn", probe.event, probe.callback, &facts, probe.signature));
            else
                EXPECT_EQ(0, call("txn", probe.event, probe.callback, &facts));
        }
    }
};

TEST_F(TransactionTracepoints, StateTheWholeLifeInOrder) {
    {
        Transaction txn = store.manager().begin(7);
        ASSERT_TRUE(txn.lock(LockAddress::inode(1), LockMode::shared));
        ASSERT_TRUE(txn.lock(LockAddress::inode(1), LockMode::exclusive));
        ASSERT_TRUE(change(txn, 1));
        ASSERT_TRUE(txn.lock(LockAddress::inode(2), LockMode::shared));
        ASSERT_TRUE(txn.write_bit(LockAddress::inode(1), 3, 17, true));
        ASSERT_TRUE(txn.commit());
    }
    { Transaction txn = store.manager().begin(8); }
    ASSERT_TRUE(store.manager().begin(9).commit());
    EXPECT_EQ((std::vector<std::string>{"began 7", "shared 1", "exclusive 1", "written 9+16,4", "shared 2",
                                        "written 3+2,1", "committed 7 as 1", "released 1", "released 2", "began 8",
                                        "aborted 8", "began 9", "committed 9 as 0"}),
              facts.seen);
}

TEST_F(TransactionTracepoints, WithoutAFaultNoLockIsTakenLateAndNothingIsWrittenUnlocked) {
    run_many();
    EXPECT_EQ(0, facts.locked_late);
    EXPECT_EQ(0, facts.written_unlocked);
}

TEST_F(TransactionTracepoints, ReleaseLockEarlyShowsAsALockTakenAfterOneWasReleased) {
    ASSERT_TRUE(enable_fault("release_lock_early", 1));
    run_many();
    EXPECT_GT(facts.locked_late, 0);
    EXPECT_EQ(0, facts.written_unlocked);
}

TEST_F(TransactionTracepoints, WriteWithoutLockShowsAsAWriteOutsideOfEveryLock) {
    ASSERT_TRUE(enable_fault("write_without_lock", 1));
    run_many();
    EXPECT_GT(facts.written_unlocked, 0);
    EXPECT_EQ(0, facts.locked_late);
}

}  // namespace
}  // namespace lockstep::server::txn
