// The cache of data blocks: the newest committed content of every block that is not yet at home on disk, and of as many
// others as fit. Transactions read from it and, at their commit, change it.
//
// No-steal: a block that was changed stays until the installer has written it home, and the installer writes only what
// the log holds durably. Clean blocks that nobody uses go when the cache is full (clock order); changed ones are not
// even looked at. Neighbours on disk lie together in memory, since they are mostly used together.
//
// A block's content is a counted buffer. Whoever wants a snapshot (a large read, the log writer, the installer) shares
// the buffer; the next change finds it shared and continues on a copy.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "nfs_server/base/result.hpp"
#include "nfs_server/disk/block_buffer.hpp"
#include "nfs_server/disk/disk.hpp"
#include "nfs_server/disk/storage_error.hpp"

namespace lockstep::server::journal {

class BlockCache;

namespace detail {
struct CacheShard;

// One cached block. Everything but `pins` is under the shard's mutex.
struct CacheEntry {
    uint64_t block = 0;
    CacheShard* shard = nullptr;
    BlockBuffer content;            // empty while it was never read nor replaced
    uint64_t last_sequence = 0;     // of the newest change in content
    size_t ring_index = 0;          // place in the shard's clock, unless dirty or installing
    std::atomic<uint32_t> pins{0};  // raised under the mutex, lowered without
    bool loading = false;           // a thread reads it from disk, without the mutex
    bool dirty = false;             // changed since the installer last took it
    bool installing = false;        // taken by the installer, not yet written home
    bool recently_used = true;      // the clock's second chance
};
}  // namespace detail

/// A block that stays in the cache for as long as this lives. Movable; used by one thread at a time.
class PinnedBlock {
 public:
    PinnedBlock() = default;
    PinnedBlock(PinnedBlock&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
    PinnedBlock& operator=(PinnedBlock&& other) noexcept {
        std::swap(entry_, other.entry_);
        return *this;
    }
    ~PinnedBlock() {
        if (entry_ != nullptr) entry_->pins.fetch_sub(1, std::memory_order_release);
    }
    uint64_t block() const { return entry_->block; }
    /// A second pin of the same block.
    PinnedBlock again() const {
        entry_->pins.fetch_add(1, std::memory_order_relaxed);
        return PinnedBlock(entry_);
    }

 private:
    friend class BlockCache;
    explicit PinnedBlock(detail::CacheEntry* entry) : entry_(entry) {}
    detail::CacheEntry* entry_ = nullptr;
};

/// What the installer takes: a block's content at one moment, and the newest record in it.
struct DirtyBlock {
    uint64_t block = 0;
    BlockBuffer content;
    uint64_t last_sequence = 0;
    detail::CacheEntry* entry = nullptr;  // the cache's
};

/// Any thread may call any member, but the installer's are one thread's at a time.
class BlockCache {
 public:
    /// Data block b is disk block first_block + b. The cache keeps about capacity_blocks, more only while that many are
    /// changed or pinned. The disk must outlive it.
    BlockCache(disk::Disk& disk, uint64_t first_block, uint64_t size_blocks, uint64_t capacity_blocks);
    ~BlockCache();
    BlockCache(const BlockCache&) = delete;
    BlockCache& operator=(const BlockCache&) = delete;

    /// Copies bytes of a block. Errors: io, out_of_range (the bytes must lie within one block).
    Result<void, StorageError> read(uint64_t block, uint32_t offset, std::span<std::byte> out);
    /// The block as a snapshot. Errors: io, out_of_range.
    Result<BlockBuffer, StorageError> snapshot(uint64_t block);
    /// The block, read in and kept. Errors: io, out_of_range.
    Result<PinnedBlock, StorageError> pin(uint64_t block);
    /// A place for a block that will be replaced whole; not read. Errors: out_of_range.
    Result<PinnedBlock, StorageError> pin_unread(uint64_t block);

    /// Places for count neighbours from `first` on, whose content nobody refers to and whose new content will go
    /// straight home. Appends them to `pins`; or nothing, when one of them is still to be installed, or being read: the
    /// installer and the new content must not meet on the disk. Errors: out_of_range.
    Result<bool, StorageError> pin_for_home(uint64_t first, uint64_t count, std::vector<PinnedBlock>& pins);

    /// True when the blocks from first up to end hold nothing but zeros. Holes of the device cost nothing. Of blocks
    /// that somebody changes meanwhile nothing is said. Errors: io, out_of_range.
    Result<bool, StorageError> is_zero(uint64_t first, uint64_t end);

    /// Changes a pinned block that was read in: `change` gets its 4096 bytes, under a mutex: be short.
    template <class Change>
    void modify(const PinnedBlock& pinned, uint64_t sequence, Change&& change);
    /// Replaces a pinned block's content.
    void replace(const PinnedBlock& pinned, uint64_t sequence, BlockBuffer content);

    /// Gives blocks that were pinned for home their contents, which need not be installed. Each mutex is taken once for
    /// neighbours; nothing else of the cache may be called while this lives.
    class Placing {
     public:
        void place(const PinnedBlock& pinned, BlockBuffer content);

     private:
        const detail::CacheShard* shard_ = nullptr;
        std::unique_lock<std::mutex> hold_;
    };

    /// The installer: takes all changed blocks, in block order. They stay in the cache until mark_installed.
    std::vector<DirtyBlock> take_dirty();
    /// The installer: what was taken is at home on disk.
    void mark_installed(std::span<const DirtyBlock> blocks);

    uint64_t size_blocks() const { return size_blocks_; }
    /// Blocks changed and not yet taken by the installer.
    uint64_t dirty_blocks() const { return dirty_count_.load(std::memory_order_relaxed); }
    /// Blocks in memory.
    uint64_t cached_blocks() const { return cached_count_.load(std::memory_order_relaxed); }

 private:
    using Entry = detail::CacheEntry;
    using Shard = detail::CacheShard;

    Shard& shard_of(uint64_t block);
    std::vector<uint64_t> cached_within(uint64_t first, uint64_t end);
    Entry& find_or_insert(Shard& shard, uint64_t block);
    Result<Entry*, StorageError> loaded(Shard& shard, std::unique_lock<std::mutex>& hold, uint64_t block);
    void enter_clock(Shard& shard, Entry& entry);
    void leave_clock(Shard& shard, Entry& entry);
    void evict_from(Shard& shard);
    void mark_dirty(Entry& entry, uint64_t sequence);
    std::span<std::byte> begin_change(Entry& entry, uint64_t sequence);
    static std::unique_lock<std::mutex> lock_of(Entry& entry);

    disk::Disk& disk_;
    uint64_t first_block_;
    uint64_t size_blocks_;
    uint64_t shard_capacity_;
    std::vector<std::unique_ptr<Shard>> shards_;
    std::atomic<uint64_t> dirty_count_{0};
    std::atomic<uint64_t> cached_count_{0};
};

template <class Change>
void BlockCache::modify(const PinnedBlock& pinned, uint64_t sequence, Change&& change) {
    auto hold = lock_of(*pinned.entry_);
    change(begin_change(*pinned.entry_, sequence));
}

}  // namespace lockstep::server::journal
