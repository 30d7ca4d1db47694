// The journal: makes transactions atomic and durable on a disk that promises neither. A write-ahead log, the cache of
// committed blocks, and an installer that brings the cache home to disk, off the path of a commit.
//
//   commit        a record takes its place in the log's one order, in memory, and its changes are visible in the cache.
//   wait_durable  somebody writes all records that wait, as one group, with one barrier; everybody in it returns.
//   checkpoint    changed blocks whose records are durable are written home; the log's tail moves behind them.
//   open          replays what the log holds from its tail on (recovery), then serves.
//
// What a crash leaves, at each point:
//   - a group's write or barrier: the group is whole (checksum, hashes) and replayed, or it is dropped as if never
//   written;
//     nobody was told that it is durable. What was durable before lies in front of it, untouched.
//   - installing: home blocks hold old, new or torn content; all their records are still in the log and are replayed,
//   in
//     order, with absolute values: the result is the same from any of these contents.
//   - moving the tail: one of the superblock's two slots is whole. The old tail replays more, to the same result; the
//   room
//     behind it is used again only after a barrier behind the new superblock.
//   - recovery: it writes only what a second recovery would write again, and moves the tail last.
//
// Disk: two superblock slots, the log, the data blocks (FORMAT.md).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "nfs_server/base/result.hpp"
#include "nfs_server/disk/disk.hpp"
#include "nfs_server/disk/storage_error.hpp"
#include "nfs_server/journal/block_cache.hpp"
#include "nfs_server/journal/change_set.hpp"
#include "nfs_server/journal/format.hpp"
#include "nfs_server/journal/log_area.hpp"
#include "nfs_server/journal/log_group.hpp"
#include "nfs_server/journal/sequence.hpp"

namespace lockstep::server::journal {

/// How a journal runs.
struct JournalOptions {
    /// Clean and changed blocks kept in memory (256 MiB).
    uint64_t cache_blocks = 65536;
    /// Changed blocks above which the installer starts; at twice as many, commits wait for it.
    uint64_t dirty_blocks_limit = 32768;
    /// Blocks in memory for the log and for home above which they are written although nobody waits. At sixteen times
    /// as many for home, commits wait.
    uint64_t unwritten_blocks_limit = 1024;
    /// Blocks placed at home, or freed, above which the installer settles the log: the first bounds what recovery has
    /// to read, the second what can't be placed at home yet.
    uint64_t unsettled_blocks_limit = 32768;
    uint64_t freed_blocks_limit = 1024;
    /// Barriers under way at once. More than one, because a commit that comes during a barrier need not wait for its
    /// end; few, because what comes while all are under way shares the next.
    uint64_t barriers_limit = 4;
    /// A thread writes the log and another installs in the background, and commits wait for room in the log. Without
    /// them nothing happens but what the caller asks for, in a fixed order (tests), and a full log is an error.
    bool background = true;
};

/// How a disk is formatted.
struct FormatOptions {
    /// Blocks of the log; 0: an eighth of the disk, at most 64 MiB.
    uint64_t log_blocks = 0;
};

/// What recovery found. Sequences are 0 when there was nothing to replay.
struct Recovery {
    uint64_t first_sequence = 0;
    uint64_t last_sequence = 0;
    uint64_t blocks_written = 0;
};

/// Counts since the start; each is exact, together they are not one moment's.
struct JournalCounters {
    uint64_t records = 0;
    uint64_t groups = 0;    ///< writes of the log
    uint64_t barriers = 0;  ///< for commits
    uint64_t log_blocks_written = 0;
    uint64_t checkpoints = 0;
    uint64_t blocks_installed = 0;
    uint64_t blocks_placed = 0;  ///< that went straight home
    uint64_t settlements = 0;    ///< superblocks written for that alone
};

/// Any thread may call any member.
class Journal {
 public:
    /// Writes an empty log and no data; whatever was on the disk is lost. A crash leaves what was there before, nothing
    /// that opens, or a formatted disk.
    /// Errors: no_space (the disk is too small for the log and a data block), io.
    static Result<void, StorageFailure> format(disk::Disk& disk, const FormatOptions& options = {});

    /// Recovers, then serves. The disk must outlive the journal, and nobody else may use it.
    /// Errors: blank (nothing but zeros at its beginning: it may be formatted), corrupt, unknown_format: nothing was
    /// written; io.
    static Result<std::unique_ptr<Journal>, StorageFailure> open(disk::Disk& disk, const JournalOptions& options = {});

    /// Ends the background threads. Does not write anything: what nobody waited for is lost, as in a crash; see sync().
    ~Journal();
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;

    /// The committed content of data blocks. Errors: those of the cache.
    BlockCache& cache() { return cache_; }

    /// Gives the changes their place in the log and makes them visible. The locks that order conflicting changes must
    /// be held until it returns. Waits for room in the log. Without changes: the sequence of the last record. Errors:
    /// too_large; io (the disk has failed); log_full (only without background threads). Nothing is changed then.
    Result<Sequence, StorageError> commit(const ChangeSet& changes, uint64_t txn_id, uint64_t request_id);

    /// Returns when all records up to `sequence` (at most last_sequence()) are on stable storage, and fires
    /// journal:commit_durable for request_id. Errors: io; then nothing later will become durable, either.
    Result<void, StorageError> wait_durable(Sequence sequence, uint64_t request_id);

    /// True when a block that a record up to `freed_sequence` made free may get content that goes straight home: no
    /// crash can bring its old content back, and recovery compares no older content of it. Never on a disk of
    /// version 1.
    bool may_place(uint64_t freed_sequence) const;

    /// Everything committed before the call is durable, and what it freed may be placed at home (may_place). Errors:
    /// io.
    Result<void, StorageError> settle();
    /// A committed record freed so many blocks: the installer settles when there are many.
    void note_freed(uint64_t blocks);

    /// Installs all that was committed before the call and frees its room in the log. Errors: io.
    Result<void, StorageError> checkpoint();

    /// Everything committed before the call is durable and installed: a clean end. Errors: io.
    Result<void, StorageError> sync();

    Sequence last_sequence() const;
    Sequence durable_sequence() const;
    uint64_t size_blocks() const { return cache_.size_blocks(); }
    /// The most that a record's bytes and replaced blocks may take together.
    uint64_t max_record_bytes() const;
    const Recovery& recovery() const { return recovery_; }
    JournalCounters counters() const;

 private:
    // A barrier under way: when it and all that began before it have ended, everything up to `covers` is durable.
    struct Barrier {
        uint64_t covers;
        bool ended = false;
    };
    // A group that is on disk and not yet freed.
    struct WrittenGroup {
        uint64_t last_sequence;
        uint64_t end_position;
        uint64_t checksum;
    };

    Journal(disk::Disk& disk, const JournalOptions& options, const LogSuperblock& superblock, const Recovery& recovery);

    Result<void, StorageError> wait_for_room(std::unique_lock<std::mutex>& hold, RecordSize size);
    void finish_applying(uint64_t sequence);

    Result<void, StorageError> flush_until(std::unique_lock<std::mutex>& hold, uint64_t sequence);
    void wait_for_others(std::unique_lock<std::mutex>& hold);
    void tell_of_step();
    void write_pending(std::unique_lock<std::mutex>& hold);
    Result<void, StorageError> write_group(LogGroup& group, const GroupOrigin& origin, uint64_t& checksum);
    Result<void, StorageError> write_homes(LogGroup& group);
    void note_placed(uint64_t blocks);
    void run_barrier(std::unique_lock<std::mutex>& hold);
    Result<void, StorageError> barrier_for_commit();
    uint64_t covered_sequence() const;

    Result<void, StorageError> install(std::span<const DirtyBlock> blocks, uint64_t placed_sequence);
    Result<void, StorageError> settle_now();
    Result<void, StorageError> write_superblock(LogSuperblock next);
    Result<void, StorageError> move_tail(uint64_t through_sequence);
    Result<void, StorageError> wedge(StorageError error);
    void wedge_now();

    void write_in_background();
    void install_in_background();
    bool has_room_for(RecordSize size) const;
    bool checkpoint_is_due() const;
    bool settling_is_due() const;
    bool write_is_due() const;

    disk::Disk& disk_;
    const JournalOptions options_;
    LogArea log_;
    BlockCache cache_;
    const Recovery recovery_;
    const uint64_t log_id_;
    const uint64_t incarnation_;
    const uint64_t data_start_;  // disk block of data block 0
    const bool places_blocks_;   // the disk's version knows of blocks that go straight home

    // Lock order: checkpoint_mutex_, then mutex_. The cache's mutexes are never taken under mutex_, nor the other way.
    std::mutex checkpoint_mutex_;                // one installer at a time
    LogSuperblock superblock_;                   // under checkpoint_mutex_; as last written
    std::atomic<uint64_t> settled_sequence_{0};  // superblock_'s, when it is durable
    std::atomic<uint64_t> freed_blocks_{0};      // since the journal was last settled

    mutable std::mutex mutex_;                // of all below; never held during input or output
    std::condition_variable durable_;         // a write or barrier of the log ended, or the journal wedged
    std::condition_variable room_;            // tail_position_ grew, or the journal wedged
    std::condition_variable writer_work_;     // records are to be written
    std::condition_variable installer_work_;  // blocks are to be brought home
    LogGroup pending_;                        // records that no flush has taken yet
    LogGroup failed_;                         // that the disk did not take; keeps its blocks in the cache
    uint64_t steps_ = 0;                      // how often durable_ was notified
    bool writing_ = false;                    // a thread writes a group
    std::deque<Barrier> barriers_;            // under way, oldest first
    uint64_t barriers_ended_ = 0;             // that have left barriers_, ever
    bool wedged_ = false;                     // the log's disk failed: nothing becomes durable any more
    bool stopping_ = false;
    // Of the newest record. Changed under mutex_; whoever only reads, reads it without.
    std::atomic<uint64_t> last_sequence_{0};
    uint64_t written_sequence_ = 0;  // handed to the disk
    uint64_t durable_sequence_ = 0;
    uint64_t checkpointed_sequence_ = 0;  // the last checkpoint looked at all up to it
    uint64_t head_position_ = 0;          // where the next group goes
    uint64_t tail_position_ = 0;          // the room before it is free
    uint64_t last_checksum_ = 0;          // of the newest written group
    uint64_t homes_held_ = 0;             // blocks for home in pending_ and in the group that is being written
    uint64_t homes_unsettled_ = 0;        // blocks placed at home since the journal was last settled
    uint64_t last_home_sequence_ = 0;     // of the newest record that placed some
    std::deque<WrittenGroup> written_;    // from the tail on
    uint64_t applied_sequence_ = 0;       // all records up to it are in the cache
    std::deque<bool> applying_;           // whether the records behind it are
    std::deque<RecordSize> waiting_;      // commits that wait for room, the first to be let in at the front
    uint64_t admitted_ = 0;               // commits that have left waiting_, ever
    JournalCounters counters_;

    std::thread writer_;
    std::thread installer_;
};

}  // namespace lockstep::server::journal
