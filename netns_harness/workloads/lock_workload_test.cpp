// The workload on a server of our own making: right, it is content; wrong, its oracle says so.
#include "netns_harness/workloads/lock_workload.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <utility>

namespace lockstep::workloads {
namespace {

const std::vector<std::string> names = {"locks/file1", "locks/file2"};

// One file's content and who holds which of its bytes. Owners take turns in one thread, so another owner can only
// interfere when the test makes it: `intrude` writes like an owner who was granted a conflicting lock.
class FakeFiles : public RemoteFiles {
 public:
    std::uint32_t lock(std::size_t file, Range range, Mode mode) override {
        calls.push_back({'L', file, range, mode});
        const bool held = std::exchange(held_, true);
        return deny || (held && deny_own) ? 1 : 0;
    }
    void unlock(std::size_t file, Range range) override {
        held_ = false;
        calls.push_back({'U', file, range, Mode::shared});
    }
    Bytes read(std::size_t file, std::uint64_t offset, std::uint32_t count) override {
        Bytes bytes(count, 0);
        for (std::uint32_t i = 0; i < count; ++i)
            if (auto found = content[file].find(offset + i); found != content[file].end()) bytes[i] = found->second;
        if (intrude) ++content[file][offset + count - 1];
        return bytes;
    }
    void write(std::size_t file, std::uint64_t offset, const Bytes& bytes) override {
        for (std::size_t i = 0; i < bytes.size(); ++i) content[file][offset + i] = bytes[i];
        if (intrude) ++content[file][offset];
    }

    struct Call {
        char kind;
        std::size_t file;
        Range range;
        Mode mode;
        bool operator==(const Call&) const = default;
    };
    std::vector<Call> calls;
    std::map<std::size_t, std::map<std::uint64_t, unsigned char>> content;
    bool deny = false;
    bool deny_own = false;  // what the owner holds already is denied to it
    bool intrude = false;

 private:
    bool held_ = false;
};

std::vector<FakeFiles::Call> calls_of(std::uint64_t seed, std::uint64_t stream) {
    FakeFiles files;
    WorkloadCounts counts;
    LockOwner owner(files, names, "client1/1", Random(seed, stream), Region{}, counts);
    for (int turn = 0; turn < 100; ++turn) owner.take_turn();
    return files.calls;
}

TEST(LockWorkload, TheSameSeedMakesTheSameChoices) {
    EXPECT_EQ(calls_of(7, 1), calls_of(7, 1));
}

TEST(LockWorkload, OwnersAndSeedsDifferInTheirChoices) {
    EXPECT_NE(calls_of(7, 1), calls_of(7, 2));
    EXPECT_NE(calls_of(7, 1), calls_of(8, 1));
}

TEST(LockWorkload, EverythingThatWasLockedIsUnlocked) {
    std::map<std::size_t, std::set<std::uint64_t>> held;
    bool to_the_end = false;
    for (const auto& call : calls_of(3, 1)) {
        const std::uint64_t last = std::min<std::uint64_t>(call.range.last, 10'000);
        to_the_end |= call.range.last == UINT64_MAX;
        for (std::uint64_t byte = call.range.first; byte <= last; ++byte)
            if (call.kind == 'L')
                held[call.file].insert(byte);
            else
                EXPECT_EQ(held[call.file].erase(byte), 1U) << "byte " << byte << " was not held";
    }
    for (const auto& [file, bytes] : held) EXPECT_TRUE(bytes.empty()) << "file " << file;
    EXPECT_TRUE(to_the_end);
}

TEST(LockWorkload, ARightServerSatisfiesTheOracle) {
    FakeFiles files;
    WorkloadCounts counts;
    LockOwner owner(files, names, "client1/1", Random(1, 1), Region{}, counts);
    for (int turn = 0; turn < 500; ++turn) owner.take_turn();
    EXPECT_EQ(counts.oracle_failures, 0U);
    EXPECT_GT(counts.writes, 100U);
    EXPECT_GT(counts.events.acquired, 500U);
    EXPECT_GT(counts.events.released, 500U);
    EXPECT_EQ(counts.events.denied, 0U);
}

TEST(LockWorkload, AnIntruderUnderEitherModeIsNoticedAndNamed) {
    FakeFiles files;
    files.intrude = true;
    WorkloadCounts counts;
    LockOwner owner(files, names, "client1/1", Random(1, 1), Region{}, counts);
    for (int turn = 0; turn < 50; ++turn) owner.take_turn();
    EXPECT_GE(counts.oracle_failures, 50U);
    std::set<Mode> modes;
    for (const OracleFailure& failure : counts.first_failures()) {
        modes.insert(failure.mode);
        EXPECT_NE(failure.text().find("client1/1 held locks/file"), std::string::npos);
        EXPECT_NE(failure.text().find("was changed by another"), std::string::npos);
    }
    EXPECT_EQ(modes.size(), 2U);
    EXPECT_LE(counts.first_failures().size(), 16U);
}

TEST(LockWorkload, ADowngradeThatIsRefusedIsTheServersFault) {
    FakeFiles files;
    files.deny_own = true;
    WorkloadCounts counts;
    LockOwner owner(files, names, "client1/1", Random(1, 1), Region{}, counts);
    for (int turn = 0; turn < 50; ++turn) owner.take_turn();
    EXPECT_GT(counts.oracle_failures, 0U);
    EXPECT_NE(counts.first_failures().front().text().find("refused"), std::string::npos);
}

TEST(LockWorkload, WhatIsDeniedIsNeitherWrittenNorReleased) {
    FakeFiles files;
    files.deny = true;
    WorkloadCounts counts;
    LockOwner owner(files, names, "client1/1", Random(1, 1), Region{}, counts);
    for (int turn = 0; turn < 50; ++turn) owner.take_turn();
    EXPECT_EQ(counts.events.requested, 50U);
    EXPECT_EQ(counts.events.denied, 50U);
    EXPECT_EQ(counts.events.acquired + counts.events.released + counts.writes + counts.reads, 0U);
    EXPECT_EQ(files.calls.size(), 50U);
}

TEST(Random, BelowReachesEveryValueAndNothingElse) {
    Random random(1, 1);
    std::map<std::uint64_t, int> seen;
    for (int i = 0; i < 10'000; ++i) ++seen[random.below(10)];
    ASSERT_EQ(seen.size(), 10U);
    EXPECT_EQ(seen.rbegin()->first, 9U);
    for (const auto& [value, count] : seen) EXPECT_GT(count, 800) << value;
}

}  // namespace
}  // namespace lockstep::workloads
