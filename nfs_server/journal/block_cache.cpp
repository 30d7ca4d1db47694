#include "nfs_server/journal/block_cache.hpp"

#include <algorithm>
#include <cstring>
#include <memory_resource>

#include "nfs_server/base/check.hpp"
#include "nfs_server/base/waiting.hpp"

namespace lockstep::server::journal {

namespace detail {
// A part of the cache. Its mutex is a leaf: nothing else is locked while it is held, and no I/O is done.
struct alignas(64) CacheShard {
    std::mutex mutex;
    std::condition_variable loaded;  // some entry's `loading` ended
    std::pmr::unsynchronized_pool_resource memory;
    std::pmr::unordered_map<uint64_t, CacheEntry> entries{&memory};
    std::vector<CacheEntry*> ring;  // those that are neither dirty nor being installed, in the clock's order
    size_t hand = 0;
    std::vector<CacheEntry*> dirty;
};
}  // namespace detail

namespace {
constexpr size_t shards_count = 64;
// Neighbours on disk that are in the same shard.
constexpr uint64_t neighbours_count = 16;
}  // namespace

BlockCache::BlockCache(disk::Disk& disk, uint64_t first_block, uint64_t size_blocks, uint64_t capacity_blocks)
    : disk_(disk),
      first_block_(first_block),
      size_blocks_(size_blocks),
      shard_capacity_(std::max<uint64_t>(1, capacity_blocks / shards_count)) {
    for (size_t i = 0; i < shards_count; ++i) shards_.push_back(std::make_unique<Shard>());
}

BlockCache::~BlockCache() = default;

BlockCache::Shard& BlockCache::shard_of(uint64_t block) {
    return *shards_[(block / neighbours_count * 0x9e3779b97f4a7c15u >> 32) % shards_count];
}

std::unique_lock<std::mutex> BlockCache::lock_of(Entry& entry) {
    return std::unique_lock(entry.shard->mutex);
}

// Under the shard's mutex.
BlockCache::Entry& BlockCache::find_or_insert(Shard& shard, uint64_t block) {
    const auto [place, inserted] = shard.entries.try_emplace(block);
    Entry& entry = place->second;
    entry.recently_used = true;
    if (!inserted) return entry;
    entry.block = block;
    entry.shard = &shard;
    enter_clock(shard, entry);
    cached_count_.fetch_add(1, std::memory_order_relaxed);
    if (shard.entries.size() > shard_capacity_) {
        entry.pins.fetch_add(1, std::memory_order_relaxed);  // not the one we just made
        evict_from(shard);
        entry.pins.fetch_sub(1, std::memory_order_relaxed);
    }
    return entry;
}

// Under the shard's mutex.
void BlockCache::enter_clock(Shard& shard, Entry& entry) {
    entry.ring_index = shard.ring.size();
    shard.ring.push_back(&entry);
}

// Under the shard's mutex.
void BlockCache::leave_clock(Shard& shard, Entry& entry) {
    shard.ring[entry.ring_index] = shard.ring.back();
    shard.ring[entry.ring_index]->ring_index = entry.ring_index;
    shard.ring.pop_back();
}

// Under the shard's mutex. Frees what is too much, looking at each entry at most twice.
void BlockCache::evict_from(Shard& shard) {
    for (size_t looks = 2 * shard.ring.size(); looks > 0 && shard.entries.size() > shard_capacity_; --looks) {
        if (shard.hand >= shard.ring.size()) shard.hand = 0;
        Entry& entry = *shard.ring[shard.hand];
        const bool in_use = entry.loading || entry.pins.load(std::memory_order_acquire) != 0;
        if (in_use || std::exchange(entry.recently_used, false)) {
            ++shard.hand;
            continue;
        }
        leave_clock(shard, entry);
        shard.entries.erase(entry.block);
        cached_count_.fetch_sub(1, std::memory_order_relaxed);
    }
}

// The entry with its content, read from disk if need be; `hold` is given up while reading.
Result<BlockCache::Entry*, StorageError> BlockCache::loaded(Shard& shard, std::unique_lock<std::mutex>& hold,
                                                            uint64_t block) {
    if (block >= size_blocks_) return fail(StorageError::out_of_range);
    for (;;) {
        Entry& entry = find_or_insert(shard, block);
        if (entry.content) return &entry;
        if (entry.loading) {
            about_to_wait();
            shard.loaded.wait(hold);
            continue;  // it may have failed, or be gone again
        }
        entry.loading = true;
        hold.unlock();
        auto content = disk_.read_block(first_block_ + block);
        hold.lock();
        entry.loading = false;
        shard.loaded.notify_all();
        if (!content) return fail(content.error());
        entry.content = std::move(*content);
        return &entry;
    }
}

Result<void, StorageError> BlockCache::read(uint64_t block, uint32_t offset, std::span<std::byte> out) {
    if (offset > block_size_bytes || out.size() > block_size_bytes - offset) return fail(StorageError::out_of_range);
    Shard& shard = shard_of(block);
    std::unique_lock hold(shard.mutex);
    LOCKSTEP_TRY(const Entry* entry, loaded(shard, hold, block));
    if (!out.empty()) std::memcpy(out.data(), entry->content.data() + offset, out.size());
    return {};
}

Result<BlockBuffer, StorageError> BlockCache::snapshot(uint64_t block) {
    Shard& shard = shard_of(block);
    std::unique_lock hold(shard.mutex);
    LOCKSTEP_TRY(const Entry* entry, loaded(shard, hold, block));
    return BlockBuffer(entry->content);
}

Result<PinnedBlock, StorageError> BlockCache::pin(uint64_t block) {
    Shard& shard = shard_of(block);
    std::unique_lock hold(shard.mutex);
    LOCKSTEP_TRY(Entry * entry, loaded(shard, hold, block));
    entry->pins.fetch_add(1, std::memory_order_relaxed);
    return PinnedBlock(entry);
}

Result<PinnedBlock, StorageError> BlockCache::pin_unread(uint64_t block) {
    if (block >= size_blocks_) return fail(StorageError::out_of_range);
    Shard& shard = shard_of(block);
    std::lock_guard hold(shard.mutex);
    Entry& entry = find_or_insert(shard, block);
    entry.pins.fetch_add(1, std::memory_order_relaxed);
    return PinnedBlock(&entry);
}

Result<bool, StorageError> BlockCache::pin_for_home(uint64_t first, uint64_t count, std::vector<PinnedBlock>& pins) {
    if (first > size_blocks_ || count > size_blocks_ - first) return fail(StorageError::out_of_range);
    const size_t pins_before = pins.size();
    for (uint64_t block = first; block < first + count;) {
        Shard& shard = shard_of(block);
        const uint64_t end = std::min(first + count, (block / neighbours_count + 1) * neighbours_count);
        std::lock_guard hold(shard.mutex);
        for (; block < end; ++block) {
            Entry& entry = find_or_insert(shard, block);
            if (entry.dirty || entry.installing || entry.loading) {
                pins.resize(pins_before);
                return false;
            }
            entry.pins.fetch_add(1, std::memory_order_relaxed);
            pins.push_back(PinnedBlock(&entry));
        }
    }
    return true;
}

void BlockCache::Placing::place(const PinnedBlock& pinned, BlockBuffer content) {
    Entry& entry = *pinned.entry_;
    if (shard_ != entry.shard) {
        if (hold_.owns_lock()) hold_.unlock();
        hold_ = lock_of(entry);
        shard_ = entry.shard;
    }
    entry.content = std::move(content);
}

std::vector<uint64_t> BlockCache::cached_within(uint64_t first, uint64_t end) {
    std::vector<uint64_t> cached;
    for (auto& shard : shards_) {
        std::lock_guard hold(shard->mutex);
        for (const auto& [block, entry] : shard->entries)
            if (block >= first && block < end) cached.push_back(block);
    }
    return cached;
}

Result<bool, StorageError> BlockCache::is_zero(uint64_t first, uint64_t end) {
    if (first > end || end > size_blocks_) return fail(StorageError::out_of_range);
    const auto is_zero_block = [&](uint64_t block) -> Result<bool, StorageError> {
        LOCKSTEP_TRY(const BlockBuffer content, snapshot(block));
        return std::ranges::all_of(content.span(), [](std::byte byte) { return byte == std::byte{0}; });
    };
    // A block that is changed and not yet at home may be a hole of the device.
    for (const uint64_t block : cached_within(first, end)) {
        LOCKSTEP_TRY(const bool zero, is_zero_block(block));
        if (!zero) return false;
    }
    for (uint64_t block = first; block < end; ++block) {
        LOCKSTEP_TRY(const uint64_t next, disk_.next_data(first_block_ + block));
        block = next - first_block_;
        if (block >= end) break;
        LOCKSTEP_TRY(const bool zero, is_zero_block(block));
        if (!zero) return false;
    }
    return true;
}

// Under the shard's mutex.
void BlockCache::mark_dirty(Entry& entry, uint64_t sequence) {
    entry.last_sequence = std::max(entry.last_sequence, sequence);
    if (std::exchange(entry.dirty, true)) return;
    if (!entry.installing) leave_clock(*entry.shard, entry);
    entry.shard->dirty.push_back(&entry);
    dirty_count_.fetch_add(1, std::memory_order_relaxed);
}

// Under the shard's mutex. Others may share the content: they keep theirs.
std::span<std::byte> BlockCache::begin_change(Entry& entry, uint64_t sequence) {
    check(static_cast<bool>(entry.content), "a block is changed in part only after it was read in");
    entry.content.make_unique();
    mark_dirty(entry, sequence);
    return entry.content.mutable_span();
}

void BlockCache::replace(const PinnedBlock& pinned, uint64_t sequence, BlockBuffer content) {
    Entry& entry = *pinned.entry_;
    auto hold = lock_of(entry);
    // A reader that found no content is still fetching the old one: the installer must not write under its reading.
    while (entry.loading) entry.shard->loaded.wait(hold);
    entry.content = std::move(content);
    mark_dirty(entry, sequence);
}

std::vector<DirtyBlock> BlockCache::take_dirty() {
    std::vector<DirtyBlock> taken;
    for (auto& shard : shards_) {
        std::lock_guard hold(shard->mutex);
        for (Entry* entry : shard->dirty) {
            entry->dirty = false;
            entry->installing = true;
            taken.push_back({entry->block, entry->content, entry->last_sequence, entry});
        }
        dirty_count_.fetch_sub(shard->dirty.size(), std::memory_order_relaxed);
        shard->dirty.clear();
    }
    std::ranges::sort(taken, {}, &DirtyBlock::block);
    return taken;
}

void BlockCache::mark_installed(std::span<const DirtyBlock> blocks) {
    for (size_t next = 0; next < blocks.size();) {
        Shard& shard = *blocks[next].entry->shard;
        std::lock_guard hold(shard.mutex);
        for (; next < blocks.size() && blocks[next].entry->shard == &shard; ++next) {
            Entry& entry = *blocks[next].entry;
            entry.installing = false;
            if (!entry.dirty) enter_clock(shard, entry);
        }
    }
}

}  // namespace lockstep::server::journal
