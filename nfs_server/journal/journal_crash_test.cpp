// Crash exploration of the journal. A random workload runs on a disk that records; for every point between two events
// of the disk, states that a crash there may leave are built, recovered, and compared with a model: the recovered
// content must be that after some number of commits, which is at least what was promised by then. Recovery is crashed
// again, too.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "nfs_server/base/faults.hpp"
#include "nfs_server/disk/recording_disk.hpp"
#include "nfs_server/journal/journal.hpp"
#include "nfs_server/journal/journal_test_model.hpp"

namespace lockstep::server::journal {
namespace {

using disk::CrashBounds;
using disk::CrashStates;
using disk::ImageDisk;
using disk::RecordingDisk;

constexpr uint64_t log_blocks = 12;
constexpr uint64_t data_blocks = 10;
constexpr JournalOptions by_hand{.cache_blocks = 64, .background = false};

// What may be found after a crash from `since_event` on: states[k] holds after sequence k; at least `promised`.
struct Promise {
    size_t since_event = 0;
    std::vector<ModelState> states;
    uint64_t promised = 0;
};

// New content for free neighbours.
struct Placement {
    uint64_t first = 0;
    std::vector<BlockBuffer> contents;
};

// Makes it part of the changes. False: it may not go straight home.
bool place(Journal& journal, ChangeSet& changes, const Placement& placement, uint64_t newest_freed) {
    std::vector<PinnedBlock> pins;
    if (!journal.may_place(newest_freed)) return false;
    const auto pinned = journal.cache().pin_for_home(placement.first, placement.contents.size(), pins);
    EXPECT_TRUE(pinned);
    if (!pinned || !*pinned) return false;
    std::vector<BlockBuffer> contents = placement.contents;
    changes.place(std::move(pins), contents, newest_freed);
    return true;
}

// A random workload on a journal, and what it was promised when.
class Workload {
 public:
    Workload(const ImageDisk& formatted, uint64_t seed) : disk_(formatted), random_(seed) {
        states_.push_back(blank_state(data_blocks));
        open();
    }

    void run(int steps) {
        for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) step();
        journal_.reset();
    }

    // Fills the log with groups, is killed, and goes on at once: into room that recovery has just freed.
    void run_and_restart_with(int groups) {
        for (int i = 0; i < groups; ++i) {
            commit();
            wait_until(states_.size() - 1);
        }
        journal_.reset();
        restarted_at_ = disk_.events_count();
        open();
        commit();
        wait_until(states_.size() - 1);
        journal_.reset();
    }

    size_t restarted_at() const { return restarted_at_; }
    uint64_t placed_blocks() const { return placed_blocks_; }

    const RecordingDisk& disk() const { return disk_; }
    // What the commit of this sequence placed, in the last life that had one.
    const std::vector<Placement>& placements_of(uint64_t sequence) const {
        static const std::vector<Placement> none;
        const auto found = placements_.find(sequence);
        return found == placements_.end() ? none : found->second;
    }

    const Promise& promise_at(size_t point) const {
        const Promise* found = &promises_.front();
        for (const Promise& promise : promises_)
            if (promise.since_event <= point) found = &promise;
        return *found;
    }

 private:
    void open() {
        auto opened = Journal::open(disk_, by_hand);
        ASSERT_TRUE(opened) << opened.error().message;
        journal_ = std::move(*opened);
        freed_at_.assign(data_blocks, 0);
        // Killed, not powered off: what was committed and not written is lost, the rest has become durable by recovery.
        states_.resize(journal_->last_sequence().value + 1);
        promised_ = journal_->last_sequence().value;
        ASSERT_EQ(-1, first_difference(journal_->cache(), states_.back()));
        note();
    }

    void note() { promises_.push_back({disk_.events_count(), states_, promised_}); }

    void step() {
        switch (random_() % 10) {
            case 0:
                ASSERT_TRUE(random_() % 3 == 0 ? journal_->settle() : journal_->checkpoint());
                return;
            case 1:
            case 2:
            case 3:
                return wait_for_some();
            case 4:
                if (random_() % 4 == 0) {
                    journal_.reset();
                    open();
                }
                return;
            default:
                return commit();
        }
    }

    void commit() {
        ChangeSet changes;
        ModelState next = states_.back();
        draw_changes(random_, journal_->cache(), changes, next);
        std::vector<Placement> placed;
        for (int i = 0; i < 2; ++i) place_some(changes, next, placed);
        const std::vector<uint64_t> freed = free_some(changes, next);
        if (changes.empty()) return;
        auto sequence = journal_->commit(changes, 1, 1);
        if (!sequence) {
            ASSERT_EQ(StorageError::log_full, sequence.error());
            ASSERT_TRUE(journal_->checkpoint());
            sequence = journal_->commit(changes, 1, 1);
            ASSERT_TRUE(sequence) << "an empty log takes every record";
        }
        states_.push_back(std::move(next));
        ASSERT_EQ(states_.size() - 1, sequence->value);
        placed_blocks_ += changes.home_blocks();
        placements_[sequence->value] = std::move(placed);
        for (const uint64_t block : freed) freed_at_[block] = sequence->value;
        note();
    }

    // New content for a run of free blocks, straight home if that may be.
    void place_some(ChangeSet& changes, ModelState& next, std::vector<Placement>& placed) {
        Placement placement{random_() % data_blocks, {}};
        while (placement.first < data_blocks && next[placement.first]) ++placement.first;
        uint64_t newest_freed = 0;
        for (uint64_t block = placement.first; block < data_blocks && placement.contents.size() < 3; ++block) {
            if (next[block] || changes.find(block) != ChangeSet::none) break;
            newest_freed = std::max(newest_freed, freed_at_[block]);
            BlockBuffer& content = placement.contents.emplace_back(BlockBuffer::uninitialised());
            std::memset(content.mutable_data(), static_cast<int>(random_()), block_size_bytes);
        }
        if (placement.contents.empty() || !place(*journal_, changes, placement, newest_freed)) return;
        for (uint64_t i = 0; i < placement.contents.size(); ++i) next[placement.first + i] = placement.contents[i];
        placed.push_back(std::move(placement));
    }

    // Some blocks are free from this commit on: nothing in the log says so here, but that the record has changes.
    std::vector<uint64_t> free_some(const ChangeSet& changes, ModelState& next) {
        std::vector<uint64_t> freed;
        for (uint64_t n = random_() % 6; n > 0; --n) {
            const uint64_t block = random_() % data_blocks;
            if (!next[block] || changes.find(block) != ChangeSet::none) continue;
            next[block] = {};
            freed.push_back(block);
        }
        return freed;
    }

    void wait_for_some() { wait_until(promised_ + random_() % (states_.size() - promised_)); }

    void wait_until(uint64_t sequence) {
        ASSERT_TRUE(journal_->wait_durable({sequence}, 1));
        promised_ = std::max(promised_, sequence);
        note();
    }

    RecordingDisk disk_;
    std::mt19937_64 random_;
    std::unique_ptr<Journal> journal_;
    std::vector<ModelState> states_;
    uint64_t promised_ = 0;
    size_t restarted_at_ = 0;
    uint64_t placed_blocks_ = 0;
    std::vector<uint64_t> freed_at_;  // the sequence that made the block free in this life
    std::map<uint64_t, std::vector<Placement>> placements_;
    std::vector<Promise> promises_;
};

ImageDisk formatted_image() {
    ImageDisk image(superblock_slots + log_blocks + data_blocks);
    EXPECT_TRUE(Journal::format(image, {.log_blocks = log_blocks}));
    return image;
}

// Recovers from a crash state. Empty when it holds what the promise allows; else says what is wrong.
std::string what_is_wrong(disk::Disk& state, const Promise& promise, uint64_t* recovered_to = nullptr) {
    auto journal = Journal::open(state, by_hand);
    if (!journal) return "does not open: " + journal.error().message;
    const uint64_t sequence = (*journal)->last_sequence().value;
    if (recovered_to != nullptr) *recovered_to = sequence;
    if (sequence < promise.promised)
        return "promised " + std::to_string(promise.promised) + ", recovered to " + std::to_string(sequence);
    if (sequence >= promise.states.size()) return "recovered to a commit that never was: " + std::to_string(sequence);
    const int64_t block = first_difference((*journal)->cache(), promise.states[sequence]);
    if (block < 0) return {};
    return "block " + std::to_string(block) + " differs from the state after commit " + std::to_string(sequence);
}

struct Exploration {
    uint64_t states = 0;
    uint64_t placed_blocks = 0;
    uint64_t recovery_states = 0;
    uint64_t repetitions = 0;
    std::vector<std::string> wrong;
};

// Crashes the recovery from `state` at every point: each must come to the same commit.
void explore_recovery(const ImageDisk& state, const Promise& promise, uint64_t seed, Exploration& exploration) {
    RecordingDisk recording(state);
    uint64_t recovered_to = 0;
    if (!what_is_wrong(recording, promise, &recovered_to).empty()) return;  // told already
    const Promise same{0, promise.states, recovered_to};
    const CrashStates crashes(recording);
    for (size_t point = 0; point <= crashes.last_point(); ++point) {
        crashes.visit(point, {.exhaustive_writes = 2, .sampled_subsets = 4, .sampled_torn = 4}, seed + point,
                      [&](ImageDisk& again) {
                          ++exploration.recovery_states;
                          const std::string wrong = what_is_wrong(again, same);
                          if (!wrong.empty())
                              exploration.wrong.push_back("recovery, event " + std::to_string(point) + ": " + wrong);
                      });
    }
}

// Recovers, then writes again what the first commit that was lost had placed, as a client would send it again; and
// crashes while that is under way. It is a new commit: nothing else of the lost one may come back with it.
void explore_repetition(const Workload& workload, const ImageDisk& state, const Promise& promise, uint64_t seed,
                        Exploration& exploration) {
    RecordingDisk recording(state);
    auto journal = Journal::open(recording, by_hand);
    if (!journal) return;  // told already
    const uint64_t recovered_to = (*journal)->last_sequence().value;
    const auto& lost = workload.placements_of(recovered_to + 1);
    if (lost.empty() || recovered_to >= promise.states.size()) return;
    Promise after{
        0, {promise.states.begin(), promise.states.begin() + static_cast<ptrdiff_t>(recovered_to) + 1}, recovered_to};
    ModelState next = after.states.back();
    const size_t before = recording.events_count();
    {
        ChangeSet changes;
        for (const Placement& placement : lost) {
            for (uint64_t i = 0; i < placement.contents.size(); ++i) {
                if (next[placement.first + i]) return;  // another life's
                next[placement.first + i] = placement.contents[i];
            }
            if (!place(**journal, changes, placement, 0)) return;
        }
        after.states.push_back(std::move(next));
        const auto sequence = (*journal)->commit(changes, 1, 1);
        if (!sequence || !(*journal)->wait_durable(*sequence, 1)) {
            exploration.wrong.emplace_back("what was lost can't be written again");
            return;
        }
    }
    journal->reset();
    ++exploration.repetitions;
    const CrashStates crashes(recording);
    for (size_t point = before; point < crashes.last_point(); ++point)
        crashes.visit(point, {.exhaustive_writes = 4, .sampled_torn = 2}, seed + point, [&](ImageDisk& again) {
            ++exploration.recovery_states;
            const std::string wrong = what_is_wrong(again, after);
            if (!wrong.empty())
                exploration.wrong.push_back("repetition, event " + std::to_string(point) + ": " + wrong);
        });
}

// Kills the process after `events` events and lets it recover from a disk that has not forgotten anything yet; then the
// power fails, during recovery or after it.
void explore_kill(const Workload& workload, size_t events, uint64_t seed, Exploration& exploration) {
    const Promise& promise = workload.promise_at(events);
    RecordingDisk recording(workload.disk(), events);
    uint64_t recovered_to = 0;
    const std::string first = what_is_wrong(recording, promise, &recovered_to);
    if (!first.empty()) exploration.wrong.push_back("kill, event " + std::to_string(events) + ": " + first);
    const CrashStates crashes(recording);
    for (size_t point = events; point <= crashes.last_point(); ++point) {
        const Promise kept{0, promise.states, point == crashes.last_point() ? recovered_to : promise.promised};
        crashes.visit(point, {.exhaustive_writes = 3, .sampled_subsets = 6, .sampled_torn = 2}, seed + point,
                      [&](ImageDisk& state) {
                          ++exploration.recovery_states;
                          const std::string wrong = what_is_wrong(state, kept);
                          if (!wrong.empty())
                              exploration.wrong.push_back("kill, event " + std::to_string(events) + ", then " +
                                                          std::to_string(point) + ": " + wrong);
                      });
    }
}

Exploration explore(uint64_t seed, int steps) {
    Exploration exploration;
    Workload workload(formatted_image(), seed);
    workload.run(steps);
    exploration.placed_blocks = workload.placed_blocks();
    const CrashStates crashes(workload.disk());
    for (size_t point = 0; point <= crashes.last_point(); ++point) {
        const Promise& promise = workload.promise_at(point);
        crashes.visit(point, CrashBounds{}, seed * 1000 + point, [&](ImageDisk& state) {
            const ImageDisk before = state;
            const std::string wrong = what_is_wrong(state, promise);
            if (!wrong.empty()) exploration.wrong.push_back("event " + std::to_string(point) + ": " + wrong);
            if (++exploration.states % 16 == 0) explore_recovery(before, promise, seed + point, exploration);
            if (exploration.states % 8 == 3) explore_repetition(workload, before, promise, seed + point, exploration);
        });
        if (point % 4 == seed % 4) explore_kill(workload, point, seed, exploration);
    }
    return exploration;
}

class JournalCrashes : public ::testing::TestWithParam<uint64_t> {};

TEST_P(JournalCrashes, EveryStateRecoversToACommitThatKeepsThePromises) {
    const Exploration exploration = explore(GetParam(), 50);
    EXPECT_GT(exploration.states, 500u);
    EXPECT_GT(exploration.recovery_states, 100u);
    EXPECT_GT(exploration.placed_blocks, 2u);
    EXPECT_GT(exploration.repetitions, 2u);
    EXPECT_TRUE(exploration.wrong.empty())
        << "seed " << GetParam() << ": " << exploration.wrong.size() << " of " << exploration.states
        << " states wrong, the first: " << exploration.wrong.front();
    RecordProperty("states", std::to_string(exploration.states + exploration.recovery_states));
}
INSTANTIATE_TEST_SUITE_P(Seeds, JournalCrashes, ::testing::Range<uint64_t>(1, 7));

TEST(JournalCrash, RoomThatRecoveryFreedIsUsedOnlyAfterTheTailHasMoved) {
    for (int groups = 3; groups <= 9; ++groups) {
        Workload workload(formatted_image(), static_cast<uint64_t>(groups));
        workload.run_and_restart_with(groups);
        const CrashStates crashes(workload.disk());
        for (size_t point = workload.restarted_at(); point <= crashes.last_point(); ++point)
            crashes.visit(point, {.exhaustive_writes = 6, .sampled_torn = 2}, point, [&](ImageDisk& state) {
                EXPECT_EQ("", what_is_wrong(state, workload.promise_at(point))) << groups << " groups, event " << point;
            });
    }
}

// The exploration is only worth something if it finds what is wrong.
class JournalCrashFault : public ::testing::TestWithParam<const char*> {
 protected:
    void TearDown() override {
        for (Fault* fault : Fault::all()) fault->disable();
    }
};

TEST_P(JournalCrashFault, IsFound) {
    ASSERT_TRUE(enable_fault(GetParam(), 1));
    size_t wrong = 0;
    for (uint64_t seed = 1; seed <= 6 && wrong == 0; ++seed) wrong += explore(seed, 50).wrong.size();
    EXPECT_GT(wrong, 0u);
}
INSTANTIATE_TEST_SUITE_P(Faults, JournalCrashFault,
                         ::testing::Values("skip_barrier", "install_early", "reuse_early", "forget_settling"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace lockstep::server::journal
