// The installer: brings committed blocks home, then frees their room in the log. Off the path of a commit.
#include <algorithm>

#include "nfs_server/base/faults.hpp"
#include "nfs_server/journal/journal.hpp"
#include "tracepoints/journal.tp"

namespace lockstep::server::journal {
namespace {

Fault forget_settling{
    "forget_settling",
    "the installer writes over blocks that were placed at home while recovery would still compare them", 1};
Fault install_early{"install_early", "the installer writes blocks home before their records are durable"};

// Blocks that one write to the disk gathers at most.
constexpr size_t run_limit_blocks = 256;

// A checkpoint is due when one of so many parts of the log is in use. The parts left take what comes meanwhile; small
// ones are freed one after the other, so that under a stream of large writes nobody waits for long.
constexpr uint64_t log_parts = 8;

// The blocks from the front on that are neighbours on disk.
std::span<const DirtyBlock> run_at_front(std::span<const DirtyBlock> blocks) {
    size_t length = 1;
    while (length < blocks.size() && length < run_limit_blocks && blocks[length].block == blocks[length - 1].block + 1)
        ++length;
    return blocks.first(length);
}

uint64_t newest_sequence_in(std::span<const DirtyBlock> blocks) {
    uint64_t newest = 0;
    for (const DirtyBlock& block : blocks) newest = std::max(newest, block.last_sequence);
    return newest;
}

}  // namespace

Result<void, StorageError> Journal::checkpoint() {
    std::lock_guard one_installer(checkpoint_mutex_);
    std::unique_lock hold(mutex_);
    if (wedged_) return fail(StorageError::io);
    const uint64_t through_sequence = applied_sequence_;
    checkpointed_sequence_ = through_sequence;
    hold.unlock();

    const std::vector<DirtyBlock> blocks = cache_.take_dirty();
    const uint64_t newest_inside = std::max(through_sequence, newest_sequence_in(blocks));

    // Write-ahead: nothing goes home before the log holds it durably.
    hold.lock();
    if (!install_early.strikes()) LOCKSTEP_TRY(flush_until(hold, newest_inside));
    const bool nothing_to_free = written_.empty();
    const uint64_t placed_sequence = std::min(last_home_sequence_, newest_inside);
    const bool must_settle = !blocks.empty() && placed_sequence > superblock_.settled_sequence;
    hold.unlock();
    if (blocks.empty() && nothing_to_free) return {};

    // What was placed at home may be among what we write over: recovery must not compare it any more.
    if (must_settle && !forget_settling.strikes())
        if (auto done = settle_now(); !done) return wedge(done.error());
    if (auto done = install(blocks, placed_sequence); !done) return wedge(done.error());
    cache_.mark_installed(blocks);
    if (auto done = move_tail(through_sequence); !done) return wedge(done.error());
    hold.lock();
    ++counters_.checkpoints;
    counters_.blocks_installed += blocks.size();
    return {};
}

// Writes the blocks home and waits until they are there. placed_sequence: as in the tracepoint.
Result<void, StorageError> Journal::install(std::span<const DirtyBlock> blocks, uint64_t placed_sequence) {
    if (blocks.empty()) return {};
    std::vector<BlockBuffer> contents;
    while (!blocks.empty()) {
        const auto run = run_at_front(blocks);
        contents.clear();
        for (const DirtyBlock& block : run) contents.push_back(block.content);
        lttng_ust_tracepoint(journal, install_began, run.front().block, static_cast<uint32_t>(run.size()),
                             newest_sequence_in(run), placed_sequence);
        LOCKSTEP_TRY(disk_.write_shared(data_start_ + run.front().block, contents));
        blocks = blocks.subspan(run.size());
    }
    return disk_.barrier();
}

// Frees the groups whose records are all among those up to `through_sequence`, which are installed. Under
// checkpoint_mutex_.
Result<void, StorageError> Journal::move_tail(uint64_t through_sequence) {
    std::unique_lock hold(mutex_);
    size_t freed = 0;
    while (freed < written_.size() && written_[freed].last_sequence <= through_sequence) ++freed;
    if (freed == 0) return {};
    const WrittenGroup last = written_[freed - 1];
    hold.unlock();

    LogSuperblock next = superblock_;
    next.tail_position = last.end_position;
    next.tail_sequence = last.last_sequence + 1;
    next.tail_checksum = last.checksum;
    // The room is used again only when the disk can no longer come back with the old tail.
    LOCKSTEP_TRY(write_superblock(next));

    hold.lock();
    written_.erase(written_.begin(), written_.begin() + static_cast<ptrdiff_t>(freed));
    tail_position_ = last.end_position;
    lttng_ust_tracepoint(journal, checkpointed, last.last_sequence);
    room_.notify_all();
    return {};
}

// Writes the superblock that comes next, with what is durable by now as settled, and waits until it is there. Under
// checkpoint_mutex_.
Result<void, StorageError> Journal::write_superblock(LogSuperblock next) {
    ++next.generation;
    if (places_blocks_) next.settled_sequence = durable_sequence().value;
    LOCKSTEP_TRY(disk_.write_block(next.generation % superblock_slots, encode(next)));
    LOCKSTEP_TRY(disk_.barrier());
    superblock_ = next;
    // Before others may go by it.
    if (places_blocks_) lttng_ust_tracepoint(journal, settled, next.settled_sequence);
    settled_sequence_.store(next.settled_sequence, std::memory_order_release);
    return {};
}

// Under checkpoint_mutex_.
Result<void, StorageError> Journal::settle_now() {
    LOCKSTEP_TRY(write_superblock(superblock_));
    std::lock_guard hold(mutex_);
    ++counters_.settlements;
    return {};
}

Result<void, StorageError> Journal::settle() {
    if (!places_blocks_) return sync();
    std::lock_guard one_installer(checkpoint_mutex_);
    {
        std::unique_lock hold(mutex_);
        // What is placed or freed from here on is counted for the next time.
        homes_unsettled_ = 0;
        freed_blocks_ = 0;
        LOCKSTEP_TRY(flush_until(hold, last_sequence_));
        if (superblock_.settled_sequence == durable_sequence_) return {};
    }
    if (auto done = settle_now(); !done) return wedge(done.error());
    return {};
}

void Journal::note_freed(uint64_t blocks) {
    if (freed_blocks_.fetch_add(blocks, std::memory_order_relaxed) + blocks <= options_.freed_blocks_limit) return;
    std::lock_guard hold(mutex_);
    installer_work_.notify_one();
}

Result<void, StorageError> Journal::wedge(StorageError error) {
    std::lock_guard hold(mutex_);
    wedge_now();
    return fail(error);
}

Result<void, StorageError> Journal::sync() {
    {
        std::unique_lock hold(mutex_);
        LOCKSTEP_TRY(flush_until(hold, last_sequence_));
    }
    return checkpoint();
}

// Under mutex_.
bool Journal::checkpoint_is_due() const {
    const bool frees_blocks = cache_.dirty_blocks() > options_.dirty_blocks_limit;
    // A record that is in the log and not yet in the cache holds the tail: trying again before it is there is for
    // nothing.
    const bool frees_log = applied_sequence_ > checkpointed_sequence_;
    const bool needs_log = head_position_ - tail_position_ > log_.size_blocks() / log_parts ||
                           (!waiting_.empty() && !has_room_for(waiting_.front()));
    return frees_blocks || (frees_log && needs_log);
}

// Under mutex_.
bool Journal::settling_is_due() const {
    return places_blocks_ && (homes_unsettled_ > options_.unsettled_blocks_limit ||
                              freed_blocks_.load(std::memory_order_relaxed) > options_.freed_blocks_limit);
}

// Under mutex_.
bool Journal::write_is_due() const {
    if (writing_) return false;
    const bool somebody_waits_for_it = !waiting_.empty() && !pending_.homes().empty();
    return somebody_waits_for_it || pending_.held_blocks() > options_.unwritten_blocks_limit;
}

// Beside the installer, which is busy for long: what gathers meanwhile would else be written by whoever waits for it.
void Journal::write_in_background() {
    std::unique_lock hold(mutex_);
    while (!stopping_ && !wedged_) {
        if (write_is_due())
            write_pending(hold);
        else
            writer_work_.wait(hold);
    }
}

void Journal::install_in_background() {
    std::unique_lock hold(mutex_);
    while (!stopping_ && !wedged_) {
        const bool settles = settling_is_due();
        if (!settles && !checkpoint_is_due()) {
            installer_work_.wait(hold);
            continue;
        }
        hold.unlock();
        (void)(settles ? settle() : checkpoint());  // a failure wedges the journal, and that is what everybody is told
        hold.lock();
        room_.notify_all();
    }
}

}  // namespace lockstep::server::journal
