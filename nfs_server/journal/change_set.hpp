// The changes of one transaction: what it has written and nobody else sees yet; then the record that goes to the log.
//
// Physical redo: byte ranges, bits and whole blocks with their new values, so that replaying a record twice, or over a
// block that already holds it, changes nothing. Ranges and not blocks, so that two transactions may change two inodes
// of one block at the same time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "nfs_server/disk/block_buffer.hpp"
#include "nfs_server/journal/block_cache.hpp"

namespace lockstep::server::journal {

/// A block whose content goes straight to its home. It stays in the cache until it is there.
struct HomeBlock {
    PinnedBlock pinned;
    BlockBuffer content;
    uint64_t freed_sequence = 0;  ///< of the record that made the block free; 0: none did
};

/// A record as it goes to the log, and what goes with it.
struct EncodedRecord {
    std::vector<std::byte> bytes;       ///< its sequence is still 0
    std::vector<BlockBuffer> replaced;  ///< in the record's order
    std::vector<HomeBlock> homes;
};

/// Used by one thread at a time. Reusable: clear() keeps the memory.
class ChangeSet {
 public:
    static constexpr size_t none = SIZE_MAX;

    /// The index of a block's changes, or `none`.
    size_t find(uint64_t block) const;
    /// Makes a place for a block's changes and keeps the block in the cache. Precondition: not there yet.
    size_t add(PinnedBlock pinned);

    /// New values for bytes [offset, offset + bytes.size()), within the block and not empty. The block was pinned with
    /// its content, or replaced before.
    void write_bytes(size_t index, uint32_t offset, std::span<const std::byte> bytes);
    void write_bit(size_t index, uint32_t bit, bool value);
    /// A new value for the whole block; forgets the changes before it.
    void replace(size_t index, BlockBuffer content);

    /// Content for blocks that were pinned for home, not yet in the set. freed_sequence: as in HomeBlock.
    void place(std::vector<PinnedBlock> pins, std::span<BlockBuffer> contents, uint64_t freed_sequence);

    /// True when the block's changes say all of its content.
    bool replaces(size_t index) const { return static_cast<bool>(changes_[index].whole); }
    /// The content of a replaced block.
    const BlockBuffer& whole(size_t index) const { return changes_[index].whole; }
    /// Lays the changes over `out`, which holds bytes [offset, offset + out.size()) of the block as committed.
    void overlay(size_t index, uint32_t offset, std::span<std::byte> out) const;

    bool empty() const { return changes_.empty(); }
    /// The record's bytes in a group's head; the replaced blocks come on top.
    uint64_t record_bytes() const;
    uint64_t replaced_blocks() const { return replaced_count_; }
    /// Blocks that go straight home.
    uint64_t home_blocks() const { return home_count_; }

    /// The record. Hashes the whole blocks.
    void encode(uint64_t txn_id, EncodedRecord& record) const;
    /// Makes the changes visible in the cache. Cannot fail: every block is pinned.
    void apply(BlockCache& cache, uint64_t sequence) const;

    void clear();

 private:
    static constexpr uint32_t end = UINT32_MAX;
    struct Patch {
        uint32_t payload = 0;  // first byte in payload_, of a byte range
        uint16_t offset = 0;   // first byte, or the bit
        uint16_t size = 0;     // bytes, or the bit's value
        bool is_bit = false;
        uint32_t next = end;      // the block's next younger patch
        uint32_t previous = end;  // the block's next older patch
    };
    struct Change {
        PinnedBlock pinned;
        BlockBuffer whole;     // then there are no patches
        uint32_t first = end;  // the oldest patch
        uint32_t last = end;   // the youngest
        bool goes_home = false;
        uint64_t freed_sequence = 0;  // when it goes home
    };

    void append(Change& change, Patch patch);
    size_t home_run_at(size_t index) const;
    std::byte* encode_home_run(size_t index, size_t length, std::byte* to, std::vector<HomeBlock>& homes) const;
    std::byte* encode_change(const Change& change, std::byte* to, EncodedRecord& record, uint32_t& entries_count) const;
    void place_in_cache() const;
    bool absorb(const Change& change, uint32_t offset, std::span<const std::byte> bytes);
    void patch_content(const Patch& patch, std::span<std::byte> content) const;

    std::vector<Change> changes_;
    std::vector<uint64_t> blocks_;  // of changes_
    std::vector<Patch> patches_;
    std::vector<std::byte> payload_;
    std::unordered_map<uint64_t, uint32_t> index_;  // only when there are many blocks
    uint64_t replaced_count_ = 0;
    uint64_t home_count_ = 0;
};

}  // namespace lockstep::server::journal
