#include "nfs_server/journal/log_group.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "nfs_server/base/check.hpp"

namespace lockstep::server::journal {
namespace {

// Of a head as read back; its own checksum counts as 0.
uint64_t checksum_of_head(std::vector<std::byte> head) {
    std::memset(head.data() + offsetof(GroupHeader, checksum), 0, sizeof(uint64_t));
    return hash_of(head);
}

std::vector<std::byte> gathered(std::span<const BlockBuffer> blocks, uint64_t bytes) {
    std::vector<std::byte> out(bytes);
    for (size_t i = 0; i < blocks.size(); ++i) {
        const uint64_t first = i * block_size_bytes;
        std::memcpy(out.data() + first, blocks[i].data(), std::min<uint64_t>(block_size_bytes, bytes - first));
    }
    return out;
}

std::vector<BlockBuffer> new_blocks(uint64_t count) {
    std::vector<BlockBuffer> blocks;
    for (uint64_t i = 0; i < count; ++i) blocks.push_back(BlockBuffer::uninitialised());
    return blocks;
}

std::vector<std::byte*> writable(std::span<BlockBuffer> blocks) {
    std::vector<std::byte*> pointers;
    for (BlockBuffer& block : blocks) pointers.push_back(block.mutable_data());
    return pointers;
}

bool belongs_at(const GroupHeader& header, const LogCursor& cursor, uint64_t log_blocks) {
    if (header.magic != group_magic || header.log_id != cursor.log_id || header.position != cursor.position ||
        header.previous_checksum != cursor.previous_checksum || header.first_sequence != cursor.sequence)
        return false;
    return header.records_count > 0 && header.head_bytes >= sizeof(GroupHeader) + sizeof(RecordHeader) &&
           blocks_of_bytes(header.head_bytes) + header.data_blocks <= log_blocks;
}

// Each replaced block's content must have the hash that its entry says: the data blocks have no checksum of their own.
bool data_is_whole(const StoredGroup& group) {
    bool whole = true;
    uint64_t blocks_seen = 0;
    const bool consistent = for_each_entry(
        group, [](const RecordHeader&) {},
        [&](const StoredEntry& entry) {
            if (entry.replaced == nullptr) return;
            uint64_t hash = 0;
            std::memcpy(&hash, entry.bytes.data(), sizeof(hash));
            whole = whole && hash == hash_of(entry.replaced->span());
            ++blocks_seen;
        });
    return consistent && whole && blocks_seen == group.data.size();
}

bool parse_entry(std::span<const std::byte>& record, const StoredGroup& group, size_t& next_data, StoredEntry& entry) {
    if (!take(record, entry.header)) return false;
    uint64_t bytes = 0;
    entry.replaced = nullptr;
    switch (entry.header.kind) {
        case EntryKind::bytes:
            bytes = entry.header.size;
            if (bytes == 0 || entry.header.offset + bytes > block_size_bytes) return false;
            break;
        case EntryKind::bit:
            if (entry.header.offset >= block_size_bytes * 8 || entry.header.size > 1) return false;
            break;
        case EntryKind::block:
            bytes = sizeof(uint64_t);
            if (next_data >= group.data.size()) return false;
            entry.replaced = &group.data[next_data++];
            break;
        case EntryKind::home:
            bytes = entry.header.size * sizeof(uint64_t);
            if (bytes == 0) return false;
            break;
        default:
            return false;
    }
    if (record.size() < round_up_8(bytes)) return false;
    entry.bytes = record.first(bytes);
    record = record.subspan(round_up_8(bytes));
    return true;
}

}  // namespace

void LogGroup::append_head(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const uint64_t used = head_bytes_ % block_size_bytes;
        if (used == 0) head_.push_back(BlockBuffer::zeroed());
        const size_t part = std::min<size_t>(bytes.size(), block_size_bytes - used);
        std::memcpy(head_.back().mutable_data() + used, bytes.data(), part);
        bytes = bytes.subspan(part);
        head_bytes_ += part;
    }
}

void LogGroup::append(uint64_t sequence, EncodedRecord& record) {
    if (records_count_ == 0) {
        static constexpr std::array<std::byte, sizeof(GroupHeader)> room_for_header{};
        append_head(room_for_header);
        first_sequence_ = sequence;
    }
    check(sequence == first_sequence_ + records_count_, "records are appended in sequence");
    std::memcpy(record.bytes.data() + offsetof(RecordHeader, sequence), &sequence, sizeof(sequence));
    append_head(record.bytes);
    std::ranges::move(record.replaced, std::back_inserter(data_));
    std::ranges::move(record.homes, std::back_inserter(homes_));
    ++records_count_;
}

uint64_t LogGroup::seal(const GroupOrigin& origin) {
    std::ranges::sort(homes_, {}, [](const HomeBlock& home) { return home.pinned.block(); });
    GroupHeader header{.log_id = origin.log_id,
                       .incarnation = origin.incarnation,
                       .position = origin.position,
                       .previous_checksum = origin.previous_checksum,
                       .first_sequence = first_sequence_,
                       .records_count = records_count_,
                       .head_bytes = static_cast<uint32_t>(head_bytes_),
                       .data_blocks = static_cast<uint32_t>(data_.size())};
    std::memcpy(head_.front().mutable_data(), &header, sizeof(header));
    header.checksum = hash_of(std::span<const BlockBuffer>(head_), head_bytes_);
    std::memcpy(head_.front().mutable_data(), &header, sizeof(header));
    return header.checksum;
}

std::vector<const std::byte*> LogGroup::pieces() const {
    std::vector<const std::byte*> pointers;
    pointers.reserve(size_blocks());
    for (const BlockBuffer& block : head_) pointers.push_back(block.data());
    for (const BlockBuffer& block : data_) pointers.push_back(block.data());
    return pointers;
}

Result<std::optional<StoredGroup>, StorageError> read_group(LogArea& log, LogCursor& cursor) {
    std::vector<BlockBuffer> head = new_blocks(1);
    LOCKSTEP_TRY(log.read(cursor.position, writable(head)));
    StoredGroup group;
    std::span<const std::byte> first = head.front().span();
    if (!take(first, group.header) || !belongs_at(group.header, cursor, log.size_blocks())) return std::nullopt;

    const uint64_t head_blocks = blocks_of_bytes(group.header.head_bytes);
    std::vector<BlockBuffer> rest = new_blocks(head_blocks - 1 + group.header.data_blocks);
    if (!rest.empty()) LOCKSTEP_TRY(log.read(cursor.position + 1, writable(rest)));
    head.insert(head.end(), rest.begin(), rest.begin() + static_cast<ptrdiff_t>(head_blocks - 1));
    group.data.assign(rest.begin() + static_cast<ptrdiff_t>(head_blocks - 1), rest.end());
    group.head = gathered(head, group.header.head_bytes);
    if (checksum_of_head(group.head) != group.header.checksum || !data_is_whole(group)) return std::nullopt;

    cursor.position += group.size_blocks();
    cursor.sequence += group.header.records_count;
    cursor.previous_checksum = group.header.checksum;
    return group;
}

Result<bool, StorageError> group_begins_at(LogArea& log, const LogCursor& cursor) {
    std::vector<BlockBuffer> head = new_blocks(1);
    LOCKSTEP_TRY(log.read(cursor.position, writable(head)));
    std::span<const std::byte> first = head.front().span();
    GroupHeader header;
    return take(first, header) && belongs_at(header, cursor, log.size_blocks());
}

Result<bool, StorageError> homes_are_whole(disk::Disk& disk, uint64_t data_start, uint64_t data_blocks,
                                           const StoredGroup& group) {
    Result<void, StorageError> read;
    bool whole = true;
    for_each_entry(
        group, [](const RecordHeader&) {},
        [&](const StoredEntry& entry) {
            if (entry.header.kind != EntryKind::home || !read || !whole) return;
            const uint64_t first = entry.header.block, count = entry.header.size;
            if (first > data_blocks || count > data_blocks - first) return;  // the replay will say so
            std::vector<BlockBuffer> blocks = new_blocks(count);
            read = disk.read(data_start + first, writable(blocks));
            for (uint64_t i = 0; read && i < count; ++i) {
                uint64_t hash = 0;
                std::memcpy(&hash, entry.bytes.data() + i * sizeof(hash), sizeof(hash));
                whole = whole && hash == hash_of(blocks[i].span());
            }
        });
    if (!read) return fail(read.error());
    return whole;
}

bool for_each_entry(const StoredGroup& group, const std::function<void(const RecordHeader&)>& on_record,
                    const std::function<void(const StoredEntry&)>& on_entry) {
    std::span<const std::byte> rest = std::span(group.head).subspan(sizeof(GroupHeader));
    size_t next_data = 0;
    for (uint32_t i = 0; i < group.header.records_count; ++i) {
        RecordHeader record;
        std::span<const std::byte> entries = rest;
        if (!take(entries, record) || record.size_bytes < sizeof(RecordHeader) || record.size_bytes > rest.size())
            return false;
        if (record.sequence != group.header.first_sequence + i) return false;
        entries = entries.first(record.size_bytes - sizeof(RecordHeader));
        rest = rest.subspan(record.size_bytes);
        on_record(record);
        for (uint32_t e = 0; e < record.entries_count; ++e) {
            StoredEntry entry;
            if (!parse_entry(entries, group, next_data, entry)) return false;
            on_entry(entry);
        }
        if (!entries.empty()) return false;
    }
    return rest.empty();
}

}  // namespace lockstep::server::journal
