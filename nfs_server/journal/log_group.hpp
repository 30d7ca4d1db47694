// A group: the records that one barrier makes durable. Built in memory while the barrier of the group before is under
// way; read back by recovery.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "nfs_server/base/result.hpp"
#include "nfs_server/disk/block_buffer.hpp"
#include "nfs_server/disk/storage_error.hpp"
#include "nfs_server/journal/change_set.hpp"
#include "nfs_server/journal/format.hpp"
#include "nfs_server/journal/log_area.hpp"

namespace lockstep::server::journal {

/// What a record takes in a group.
struct RecordSize {
    uint64_t head_bytes = 0;       ///< of the record as encoded
    uint64_t replaced_blocks = 0;  ///< on top
    uint64_t home_blocks = 0;      ///< that it holds in memory, and not in the log
};

/// Who wrote a group, and after which.
struct GroupOrigin {
    uint64_t log_id = 0;
    uint64_t incarnation = 0;
    uint64_t position = 0;
    uint64_t previous_checksum = 0;
};

/// A group in the making. Not for several threads at once.
class LogGroup {
 public:
    /// Adds a record as ChangeSet::encode made it, and gives it its sequence: the one after the last. Takes what it
    /// holds beside its bytes.
    void append(uint64_t sequence, EncodedRecord& record);

    bool empty() const { return records_count_ == 0; }
    uint64_t first_sequence() const { return first_sequence_; }
    uint64_t last_sequence() const { return first_sequence_ + records_count_ - 1; }
    uint64_t size_blocks() const { return head_.size() + data_.size(); }
    /// What goes straight home, by block; no block twice.
    const std::vector<HomeBlock>& homes() const { return homes_; }
    /// For whoever writes them, who may take the contents.
    std::vector<HomeBlock>& homes() { return homes_; }
    /// What the group takes in memory.
    uint64_t held_blocks() const { return size_blocks() + homes_.size(); }
    /// The group's size in the log if a record of this size were appended.
    uint64_t size_blocks_with(RecordSize size) const {
        const uint64_t before = empty() ? sizeof(GroupHeader) : head_bytes_;
        return blocks_of_bytes(before + size.head_bytes) + data_.size() + size.replaced_blocks;
    }

    /// Writes the header and sorts what goes home. Returns its checksum. The group is then ready for the disk.
    uint64_t seal(const GroupOrigin& origin);
    /// The group's blocks in order; valid while the group lives and is not changed.
    std::vector<const std::byte*> pieces() const;

 private:
    void append_head(std::span<const std::byte> bytes);

    std::vector<BlockBuffer> head_;  // header and records, filled without gaps
    uint64_t head_bytes_ = 0;
    std::vector<BlockBuffer> data_;
    std::vector<HomeBlock> homes_;
    uint64_t first_sequence_ = 0;
    uint32_t records_count_ = 0;
};

/// A group that was read back: whole, and of this log.
struct StoredGroup {
    GroupHeader header;
    std::vector<std::byte> head;  // header and records
    std::vector<BlockBuffer> data;
    uint64_t size_blocks() const { return blocks_of_bytes(header.head_bytes) + header.data_blocks; }
};

/// Where the reader is in the log, and what the next group must say to belong there.
struct LogCursor {
    uint64_t log_id = 0;
    uint64_t position = 0;
    uint64_t sequence = 1;
    uint64_t previous_checksum = 0;
};

/// One change as the log holds it.
struct StoredEntry {
    EntryHeader header;
    std::span<const std::byte> bytes;       // of a byte range; of blocks at home, their hashes
    const BlockBuffer* replaced = nullptr;  // of a whole block
};

/// Reads the group at the cursor and moves the cursor behind it. Nothing when there is no whole group of this log that
/// follows the one before: the log's end, or one that a crash tore. What it placed at home is not looked at. Errors:
/// io.
Result<std::optional<StoredGroup>, StorageError> read_group(LogArea& log, LogCursor& cursor);

/// True when a group of this log begins at the cursor, whole or torn. Errors: io.
Result<bool, StorageError> group_begins_at(LogArea& log, const LogCursor& cursor);

/// True when what the group placed at home lies there: read from the disk and compared with the hashes. `data_start`:
/// the disk block of data block 0. Only for a group that may not have been durable: later, a home may have changed.
/// Errors: io.
Result<bool, StorageError> homes_are_whole(disk::Disk& disk, uint64_t data_start, uint64_t data_blocks,
                                           const StoredGroup& group);

/// Calls `on_record` for each record, then `on_entry` for each of its entries, in order. False when the group
/// contradicts itself (then some entries may have been seen).
bool for_each_entry(const StoredGroup& group, const std::function<void(const RecordHeader&)>& on_record,
                    const std::function<void(const StoredEntry&)>& on_entry);

}  // namespace lockstep::server::journal
