// The path of a commit: append, apply, group, barrier. Installing is in checkpoint.cpp, opening in recovery.cpp.
#include "nfs_server/journal/journal.hpp"

#include <sys/random.h>

#include <algorithm>

#include "nfs_server/base/check.hpp"
#include "nfs_server/base/faults.hpp"
#include "nfs_server/base/waiting.hpp"
#include "tracepoints/journal.tp"

namespace lockstep::server::journal {
namespace {

Fault skip_barrier{"skip_barrier", "the journal calls a group durable without waiting for the disk"};
Fault reuse_early{"reuse_early", "new content goes straight home to blocks whose removal is not settled", 1};

// Blocks that one write to the disk gathers at most.
constexpr size_t home_write_limit_blocks = 1024;
// How many times what starts the writer may wait for it.
constexpr uint64_t homes_held_limit = 16;

uint64_t random_number() {
    uint64_t number = 0;
    check(::getrandom(&number, sizeof(number), 0) == sizeof(number), "the system has no random numbers");
    return number;
}

}  // namespace

Journal::Journal(disk::Disk& disk, const JournalOptions& options, const LogSuperblock& superblock,
                 const Recovery& recovery)
    : disk_(disk),
      options_(options),
      log_(disk, superblock.log_start, superblock.log_blocks),
      cache_(disk, superblock.data_start, superblock.data_blocks, options.cache_blocks),
      recovery_(recovery),
      log_id_(superblock.log_id),
      incarnation_(random_number()),
      data_start_(superblock.data_start),
      places_blocks_(superblock.version != format_version_without_homes),
      superblock_(superblock),
      settled_sequence_(superblock.settled_sequence),
      last_sequence_(superblock.tail_sequence - 1),
      written_sequence_(last_sequence_),
      durable_sequence_(last_sequence_),
      checkpointed_sequence_(last_sequence_),
      head_position_(superblock.tail_position),
      tail_position_(superblock.tail_position),
      last_checksum_(superblock.tail_checksum),
      applied_sequence_(last_sequence_) {
    if (!options_.background) return;
    writer_ = std::thread([this] { write_in_background(); });
    installer_ = std::thread([this] { install_in_background(); });
}

Journal::~Journal() {
    {
        std::lock_guard hold(mutex_);
        stopping_ = true;
        writer_work_.notify_all();
        installer_work_.notify_all();
    }
    if (writer_.joinable()) writer_.join();
    if (installer_.joinable()) installer_.join();
}

uint64_t Journal::max_record_bytes() const {
    return log_.size_blocks() / 2 * block_size_bytes;
}

Sequence Journal::last_sequence() const {
    return {last_sequence_};
}

Sequence Journal::durable_sequence() const {
    std::lock_guard hold(mutex_);
    return {durable_sequence_};
}

JournalCounters Journal::counters() const {
    std::lock_guard hold(mutex_);
    return counters_;
}

Result<Sequence, StorageError> Journal::commit(const ChangeSet& changes, uint64_t txn_id, uint64_t request_id) {
    if (changes.empty()) return last_sequence();
    if (changes.record_bytes() + changes.replaced_blocks() * block_size_bytes > max_record_bytes())
        return fail(StorageError::too_large);
    // Encoding and hashing are the costly part and need no lock.
    EncodedRecord record;
    changes.encode(txn_id, record);
    const RecordSize size{record.bytes.size(), record.replaced.size(), record.homes.size()};

    std::unique_lock hold(mutex_);
    LOCKSTEP_TRY(wait_for_room(hold, size));
    const uint64_t sequence = ++last_sequence_;
    pending_.append(sequence, record);
    applying_.push_back(false);
    ++counters_.records;
    homes_held_ += size.home_blocks;
    if (size.home_blocks > 0) last_home_sequence_ = sequence;
    lttng_ust_tracepoint(journal, record_appended, sequence, txn_id, request_id,
                         static_cast<uint32_t>(record.bytes.size()));
    if (write_is_due()) writer_work_.notify_one();
    hold.unlock();

    // Records that touch the same bytes are ordered by the locks of their transactions, so others may apply theirs now.
    changes.apply(cache_, sequence);
    finish_applying(sequence);
    return Sequence{sequence};
}

// Under mutex_.
bool Journal::has_room_for(RecordSize size) const {
    return head_position_ - tail_position_ + pending_.size_blocks_with(size) <= log_.size_blocks() &&
           cache_.dirty_blocks() < 2 * options_.dirty_blocks_limit &&
           (homes_held_ == 0 || homes_held_ + size.home_blocks <= homes_held_limit * options_.unwritten_blocks_limit);
}

// Back-pressure: the installer frees room. First come, first served, or a large record would wait for ever. Under
// mutex_, which is given up while waiting.
Result<void, StorageError> Journal::wait_for_room(std::unique_lock<std::mutex>& hold, RecordSize size) {
    if (wedged_) return fail(StorageError::io);
    if (waiting_.empty() && has_room_for(size)) return {};
    if (!options_.background) return fail(StorageError::log_full);

    const uint64_t ticket = admitted_ + waiting_.size();
    waiting_.push_back(size);
    installer_work_.notify_one();
    writer_work_.notify_one();
    wait_and_say_so(room_, hold, [&] { return wedged_ || (admitted_ == ticket && has_room_for(size)); });
    if (wedged_) return fail(StorageError::io);
    waiting_.pop_front();
    ++admitted_;
    if (!waiting_.empty()) room_.notify_all();
    return {};
}

void Journal::finish_applying(uint64_t sequence) {
    std::lock_guard hold(mutex_);
    applying_[sequence - applied_sequence_ - 1] = true;
    while (!applying_.empty() && applying_.front()) {
        applying_.pop_front();
        ++applied_sequence_;
    }
    if (checkpoint_is_due()) installer_work_.notify_one();
}

Result<void, StorageError> Journal::wait_durable(Sequence sequence, uint64_t request_id) {
    std::unique_lock hold(mutex_);
    check(sequence.value <= last_sequence_, "only what was committed can become durable");
    LOCKSTEP_TRY(flush_until(hold, sequence.value));
    // Under the mutex, after the barrier has returned: the fact as the journal knows it.
    lttng_ust_tracepoint(journal, commit_durable, request_id, sequence.value);
    return {};
}

// Leaders and followers: who finds nobody at it writes everything that waits as one group, and starts a barrier, which
// serves everybody whose records were written by then; the others wait for one that serves them. While barriers are
// under way, the next group gathers. Under mutex_, which is given up meanwhile.
Result<void, StorageError> Journal::flush_until(std::unique_lock<std::mutex>& hold, uint64_t sequence) {
    while (durable_sequence_ < sequence) {
        if (wedged_) return fail(StorageError::io);
        if (covered_sequence() >= sequence || barriers_.size() >= options_.barriers_limit)
            wait_for_others(hold);
        else if (written_sequence_ >= sequence)
            run_barrier(hold);
        else if (writing_)
            wait_for_others(hold);
        else
            write_pending(hold);
    }
    return {};
}

// Until a write or barrier has ended. Under mutex_, which is given up meanwhile.
void Journal::wait_for_others(std::unique_lock<std::mutex>& hold) {
    wait_and_say_so(durable_, hold, [this, seen = steps_] { return steps_ != seen; });
}

// Under mutex_.
void Journal::tell_of_step() {
    ++steps_;
    durable_.notify_all();
}

// What will be durable when all barriers under way have ended. Under mutex_.
uint64_t Journal::covered_sequence() const {
    return barriers_.empty() ? durable_sequence_ : barriers_.back().covers;
}

// Writes pending_, not empty, as one group. Under mutex_, which is given up meanwhile.
void Journal::write_pending(std::unique_lock<std::mutex>& hold) {
    writing_ = true;
    LogGroup group = std::exchange(pending_, LogGroup{});
    const GroupOrigin origin{.log_id = log_id_,
                             .incarnation = incarnation_,
                             .position = head_position_,
                             .previous_checksum = last_checksum_};
    head_position_ += group.size_blocks();
    hold.unlock();
    uint64_t checksum = 0;
    const auto done = write_group(group, origin, checksum);
    hold.lock();
    writing_ = false;
    if (!done) {
        // What should have gone home is in the cache alone: were it let go, a reader would find what was there before.
        failed_ = std::move(group);
        return wedge_now();
    }
    note_placed(group.homes().size());
    written_sequence_ = group.last_sequence();
    last_checksum_ = checksum;
    written_.push_back({group.last_sequence(), origin.position + group.size_blocks(), checksum});
    ++counters_.groups;
    counters_.log_blocks_written += group.size_blocks();
    tell_of_step();
    if (write_is_due()) writer_work_.notify_one();
}

Result<void, StorageError> Journal::write_group(LogGroup& group, const GroupOrigin& origin, uint64_t& checksum) {
    checksum = group.seal(origin);
    LOCKSTEP_TRY(write_homes(group));
    LOCKSTEP_TRY(log_.write(origin.position, group.pieces()));
    lttng_ust_tracepoint(journal, record_written, group.first_sequence(), group.last_sequence(),
                         group.size_blocks() * block_size_bytes);
    return {};
}

// What goes straight home shares the group's barrier: until that has ended the group may be torn, in the log or at
// home, and recovery sees it by the hashes. Nothing that a crash may bring back refers to these blocks.
Result<void, StorageError> Journal::write_homes(LogGroup& group) {
    std::span<HomeBlock> homes = group.homes();
    std::vector<BlockBuffer> run;
    while (!homes.empty()) {
        const uint64_t first = homes.front().pinned.block();
        uint64_t newest_freed = 0;
        run.clear();
        while (run.size() < std::min(homes.size(), home_write_limit_blocks) &&
               homes[run.size()].pinned.block() == first + run.size()) {
            newest_freed = std::max(newest_freed, homes[run.size()].freed_sequence);
            run.push_back(std::move(homes[run.size()].content));
        }
        lttng_ust_tracepoint(journal, place_began, first, static_cast<uint32_t>(run.size()), group.first_sequence(),
                             newest_freed);
        LOCKSTEP_TRY(disk_.write_shared(data_start_ + first, run));
        homes = homes.subspan(run.size());
    }
    return {};
}

// A group with so many blocks for home was written. Under mutex_.
void Journal::note_placed(uint64_t blocks) {
    if (blocks == 0) return;
    homes_held_ -= blocks;
    homes_unsettled_ += blocks;
    counters_.blocks_placed += blocks;
    if (!waiting_.empty()) room_.notify_all();
    if (settling_is_due()) installer_work_.notify_one();
}

bool Journal::may_place(uint64_t freed_sequence) const {
    if (!places_blocks_) return false;
    return freed_sequence <= settled_sequence_.load(std::memory_order_acquire) || reuse_early.strikes();
}

// Makes durable what was written before. A barrier counts only when those that began before it have ended well: the
// kernel may tell one of several of an error that concerns all. Under mutex_, which is given up meanwhile.
void Journal::run_barrier(std::unique_lock<std::mutex>& hold) {
    const uint64_t number = barriers_ended_ + barriers_.size();
    barriers_.push_back({.covers = written_sequence_});
    hold.unlock();
    const auto done = barrier_for_commit();
    hold.lock();
    if (!done) return wedge_now();
    if (wedged_) return;
    barriers_[number - barriers_ended_].ended = true;
    while (!barriers_.empty() && barriers_.front().ended) {
        durable_sequence_ = barriers_.front().covers;
        barriers_.pop_front();
        ++barriers_ended_;
    }
    ++counters_.barriers;
    tell_of_step();
}

Result<void, StorageError> Journal::barrier_for_commit() {
    if (skip_barrier.strikes()) return {};
    return disk_.barrier();
}

// The disk does not take what we must write: no promise can be kept from now on. Under mutex_.
void Journal::wedge_now() {
    wedged_ = true;
    tell_of_step();
    room_.notify_all();
    writer_work_.notify_all();
    installer_work_.notify_all();
}

}  // namespace lockstep::server::journal
