// Formatting, and opening with recovery: reads the log from its tail, replays it onto the home blocks, moves the tail.
#include <sys/random.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>

#include "nfs_server/base/check.hpp"
#include "nfs_server/journal/journal.hpp"
#include "tracepoints/journal.tp"

namespace lockstep::server::journal {
namespace {

constexpr uint64_t default_log_share = 8;             // of the disk
constexpr uint64_t default_log_blocks_limit = 16384;  // 64 MiB
constexpr size_t chunk_blocks = 256;
constexpr uint64_t blank_blocks = 256;  // looked at before a disk is called blank: 1 MiB

tl::unexpected<StorageFailure> failed(StorageError code, const std::string& message) {
    return fail(StorageFailure{code, "journal: " + message});
}

// Turns a low error into one that a person reads.
Result<void, StorageFailure> explained(const Result<void, StorageError>& result, const std::string& doing) {
    if (result) return {};
    return failed(result.error(), std::string(to_string(result.error())) + " while " + doing);
}

Result<void, StorageError> write_zeros(disk::Disk& disk, uint64_t first_block, uint64_t count) {
    const BlockBuffer zeros = BlockBuffer::zeroed();
    while (count > 0) {
        const std::vector<const std::byte*> pieces(std::min<uint64_t>(count, chunk_blocks), zeros.data());
        LOCKSTEP_TRY(disk.write(first_block, pieces));
        first_block += pieces.size();
        count -= pieces.size();
    }
    return {};
}

// Blank first, so that a crash leaves no old superblock over a half-written log; the new superblock last.
Result<void, StorageError> write_format(disk::Disk& disk, const LogSuperblock& superblock) {
    LOCKSTEP_TRY(write_zeros(disk, 0, superblock_slots));
    LOCKSTEP_TRY(disk.barrier());
    LOCKSTEP_TRY(write_zeros(disk, superblock.log_start, superblock.log_blocks));
    LOCKSTEP_TRY(disk.barrier());
    LOCKSTEP_TRY(disk.write_block(superblock.generation % superblock_slots, encode(superblock)));
    return disk.barrier();
}

// Some file systems leave their first blocks alone: a disk is blank only if nothing is behind them, either.
Result<bool, StorageError> is_blank(disk::Disk& disk) {
    const BlockBuffer zeros = BlockBuffer::zeroed();
    for (uint64_t block = 0; block < std::min(disk.size_blocks(), blank_blocks); ++block) {
        LOCKSTEP_TRY(const BlockBuffer content, disk.read_block(block));
        if (std::memcmp(content.data(), zeros.data(), block_size_bytes) != 0) return false;
    }
    return true;
}

/// The superblock that counts, and whether its other slot is damaged.
struct FoundSuperblock {
    LogSuperblock superblock;
    bool other_slot_damaged = false;
};

Result<FoundSuperblock, StorageError> find_superblock(disk::Disk& disk) {
    LOCKSTEP_TRY(const BlockBuffer first_block, disk.read_block(0));
    LOCKSTEP_TRY(const BlockBuffer second_block, disk.read_block(1));
    const auto first = decode_superblock(first_block.span());
    const auto second = decode_superblock(second_block.span());
    // A slot of another version may be the newer one: never go on with the older.
    for (const auto* slot : {&first, &second})
        if (!*slot && slot->error() == StorageError::unknown_format) return fail(StorageError::unknown_format);
    if (first && second) {
        if (first->log_id != second->log_id) return fail(StorageError::corrupt);
        return FoundSuperblock{first->generation > second->generation ? *first : *second};
    }
    if (!first && !second) {
        LOCKSTEP_TRY(const bool blank, is_blank(disk));
        return fail(blank ? StorageError::blank : StorageError::corrupt);
    }
    const auto& other = first ? second : first;
    return FoundSuperblock{first ? *first : *second, other.error() == StorageError::corrupt};
}

std::string explain_superblock(StorageError error) {
    switch (error) {
        case StorageError::blank:
            return "the disk is blank";
        case StorageError::unknown_format:
            return "the log has a version or feature that this program does not know";
        case StorageError::corrupt:
            return "the disk is not blank and holds no log that can be read (both superblocks damaged, or not ours)";
        default:
            return std::string(to_string(error)) + " while reading the log's superblocks";
    }
}

// Replays groups into a picture of the blocks that they touch.
class Replay {
 public:
    Replay(disk::Disk& disk, const LogSuperblock& superblock) : disk_(disk), superblock_(superblock) {}

    // Errors: io, corrupt (an entry outside of the data blocks).
    Result<void, StorageError> add(const StoredGroup& group, bool is_settled) {
        group_is_settled_ = is_settled;
        Result<void, StorageError> done;
        const bool consistent = for_each_entry(
            group, [](const RecordHeader&) {},
            [&](const StoredEntry& entry) {
                if (done) done = add(entry);
            });
        if (!consistent) return fail(StorageError::corrupt);
        return done;
    }

    // Writes the picture home.
    Result<void, StorageError> install() {
        for (const auto& [block, content] : blocks_)
            LOCKSTEP_TRY(disk_.write_block(superblock_.data_start + block, content));
        return {};
    }

    uint64_t size_blocks() const { return blocks_.size(); }
    // Some group placed blocks at home, and the superblock does not say that it was durable.
    bool has_unsettled_homes() const { return has_unsettled_homes_; }

 private:
    Result<void, StorageError> add(const StoredEntry& entry) {
        const uint64_t block = entry.header.block;
        if (block >= superblock_.data_blocks) return fail(StorageError::corrupt);
        if (entry.header.kind == EntryKind::home) {
            if (entry.header.size > superblock_.data_blocks - block) return fail(StorageError::corrupt);
            // Its content lies at home already, and what older records made of it must not come over it.
            blocks_.erase(blocks_.lower_bound(block), blocks_.lower_bound(block + entry.header.size));
            has_unsettled_homes_ = has_unsettled_homes_ || !group_is_settled_;
            return {};
        }
        if (entry.replaced != nullptr) {
            blocks_[block] = *entry.replaced;
            return {};
        }
        BlockBuffer& content = blocks_[block];
        if (!content) {
            LOCKSTEP_TRY(content, disk_.read_block(superblock_.data_start + block));
        }
        content.make_unique();
        std::byte* const bytes = content.mutable_data();
        if (entry.header.kind == EntryKind::bytes) {
            std::memcpy(bytes + entry.header.offset, entry.bytes.data(), entry.bytes.size());
        } else {
            std::byte& byte = bytes[entry.header.offset / 8];
            const std::byte mask{static_cast<uint8_t>(1u << entry.header.offset % 8)};
            byte = entry.header.size != 0 ? byte | mask : byte & ~mask;
        }
        return {};
    }

    disk::Disk& disk_;
    const LogSuperblock& superblock_;
    std::map<uint64_t, BlockBuffer> blocks_;
    bool group_is_settled_ = false;
    bool has_unsettled_homes_ = false;
};

// A group from a later lap than the tail's shows that the tail is out of date: room is used again only after the tail
// has moved durably. So the superblock that said so is lost, and an older one must not be believed.
Result<void, StorageError> refuse_stale_tail(LogArea& log, const LogSuperblock& superblock) {
    BlockBuffer buffer = BlockBuffer::uninitialised();
    std::byte* const bytes = buffer.mutable_data();
    for (uint64_t i = 0; i < superblock.log_blocks; ++i) {
        LOCKSTEP_TRY(log.read(i, {&bytes, 1}));
        std::span<const std::byte> block = buffer.span();
        GroupHeader header;
        if (take(block, header) && header.magic == group_magic && header.log_id == superblock.log_id &&
            header.position % superblock.log_blocks == i &&
            header.position >= superblock.tail_position + superblock.log_blocks)
            return fail(StorageError::corrupt);
    }
    return {};
}

// Reads the log from its tail on into `replay`. Returns where it ends. Errors: io, corrupt.
Result<LogCursor, StorageError> read_log(disk::Disk& disk, LogArea& log, const FoundSuperblock& found, Replay& replay) {
    const LogSuperblock& superblock = found.superblock;
    LogCursor cursor{superblock.log_id, superblock.tail_position, superblock.tail_sequence, superblock.tail_checksum};
    for (;;) {
        LogCursor next = cursor;
        LOCKSTEP_TRY(const std::optional<StoredGroup> group, read_group(log, next));
        if (!group) break;
        // What was settled was durable, and its homes may have been written over since.
        const bool is_settled = next.sequence - 1 <= superblock.settled_sequence;
        if (!is_settled) {
            LOCKSTEP_TRY(const bool whole,
                         homes_are_whole(disk, superblock.data_start, superblock.data_blocks, *group));
            // The other slot, if a crash did not harm it but something else, may have known that these were settled.
            if (!whole && found.other_slot_damaged) return fail(StorageError::corrupt);
            if (!whole) break;
        }
        LOCKSTEP_TRY(replay.add(*group, is_settled));
        cursor = next;
    }
    if (cursor.sequence - 1 < superblock.settled_sequence) return fail(StorageError::corrupt);
    return cursor;
}

// A torn group at the log's end could become whole by what is written next, were it the same that was lost: its head
// goes first.
Result<void, StorageError> erase_torn_group(disk::Disk& disk, LogArea& log, const LogCursor& end) {
    LOCKSTEP_TRY(const bool begins, group_begins_at(log, end));
    if (!begins) return {};
    const BlockBuffer zeros = BlockBuffer::zeroed();
    const std::byte* const bytes = zeros.data();
    LOCKSTEP_TRY(log.write(end.position, {&bytes, 1}));
    return disk.barrier();
}

Result<void, StorageError> write_next(disk::Disk& disk, LogSuperblock& superblock) {
    ++superblock.generation;
    LOCKSTEP_TRY(disk.write_block(superblock.generation % superblock_slots, encode(superblock)));
    return disk.barrier();
}

// Replays what the log holds, and moves the superblock's tail to its end.
Result<Recovery, StorageError> recover(disk::Disk& disk, FoundSuperblock& found) {
    // A process that was killed may have left all this in the device's cache: what we build on must be durable before.
    LOCKSTEP_TRY(disk.barrier());
    LogSuperblock& superblock = found.superblock;
    LogArea log(disk, superblock.log_start, superblock.log_blocks);
    Replay replay(disk, superblock);
    LOCKSTEP_TRY(const LogCursor end, read_log(disk, log, found, replay));
    LOCKSTEP_TRY(erase_torn_group(disk, log, end));
    if (end.sequence == superblock.tail_sequence) return Recovery{};

    const Recovery recovery{superblock.tail_sequence, end.sequence - 1, replay.size_blocks()};
    if (superblock.version != format_version_without_homes) superblock.settled_sequence = end.sequence - 1;
    // Before homes are written over, nobody may compare them any more: a second recovery, after a crash of this one.
    if (replay.has_unsettled_homes() && replay.size_blocks() > 0) LOCKSTEP_TRY(write_next(disk, superblock));
    LOCKSTEP_TRY(replay.install());
    LOCKSTEP_TRY(disk.barrier());
    superblock.tail_position = end.position;
    superblock.tail_sequence = end.sequence;
    superblock.tail_checksum = end.previous_checksum;
    LOCKSTEP_TRY(write_next(disk, superblock));
    return recovery;
}

}  // namespace

Result<void, StorageFailure> Journal::format(disk::Disk& disk, const FormatOptions& options) {
    uint64_t log_blocks = options.log_blocks;
    if (log_blocks == 0)
        log_blocks =
            std::clamp(disk.size_blocks() / default_log_share, 2 * log_blocks_minimum, default_log_blocks_limit);
    if (log_blocks < log_blocks_minimum)
        return failed(StorageError::bad_argument, "a log has at least 8 blocks of 4096 bytes");
    if (disk.size_blocks() <= superblock_slots || disk.size_blocks() - superblock_slots <= log_blocks)
        return failed(StorageError::no_space, "a disk of " + std::to_string(disk.size_blocks()) +
                                                  " blocks has no room for a log of " + std::to_string(log_blocks) +
                                                  " blocks and data");
    LogSuperblock superblock;
    check(::getrandom(&superblock.log_id, sizeof(superblock.log_id), 0) == sizeof(superblock.log_id),
          "the system has no random numbers");
    superblock.log_start = superblock_slots;
    superblock.log_blocks = log_blocks;
    superblock.data_start = superblock.log_start + log_blocks;
    superblock.data_blocks = disk.size_blocks() - superblock.data_start;
    return explained(write_format(disk, superblock), "formatting the log");
}

Result<std::unique_ptr<Journal>, StorageFailure> Journal::open(disk::Disk& disk, const JournalOptions& options) {
    if (disk.size_blocks() < superblock_slots) return failed(StorageError::no_space, "the disk is too small for a log");
    auto found = find_superblock(disk);
    if (!found) return failed(found.error(), explain_superblock(found.error()));
    const LogSuperblock& superblock = found->superblock;
    if (superblock.data_blocks > disk.size_blocks() ||
        superblock.data_start > disk.size_blocks() - superblock.data_blocks)
        return failed(StorageError::corrupt, "the log's superblock describes a larger disk than this one");
    if (found->other_slot_damaged) {
        LogArea log(disk, superblock.log_start, superblock.log_blocks);
        LOCKSTEP_TRY(explained(refuse_stale_tail(log, superblock),
                               "checking the log against the one superblock that is left: it is not the newest"));
    }
    auto recovery = recover(disk, *found);
    if (!recovery)
        return failed(recovery.error(), std::string(to_string(recovery.error())) + " while replaying the log");
    lttng_ust_tracepoint(journal, recovered, recovery->first_sequence, recovery->last_sequence);
    return std::unique_ptr<Journal>(new Journal(disk, options, superblock, *recovery));
}

}  // namespace lockstep::server::journal
