#include "nfs_server/fs/operation.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <tuple>

#include "nfs_server/base/check.hpp"
#include "nfs_server/base/faults.hpp"
#include "tracepoints/fs.tp"

namespace lockstep::server::fs {

using txn::LockMode;

namespace {

Fault accept_stale_handle{"accept_stale_handle",
                          "a handle of a file that is gone is accepted for the file that has its inode now", 2};

}  // namespace

Operation::Operation(Volume& volume, txn::Transaction& transaction, std::uint64_t now_ns)
    : volume_(volume), transaction_(transaction), now_ns_(now_ns) {}

Operation::~Operation() {
    if (!finished_) finish(false);
}

Inode* Operation::find(std::uint64_t number) {
    for (std::size_t i = 0; i < inodes_.size(); ++i)
        if (inodes_[i].number() == number) return &inodes_[i];
    return nullptr;
}

Outcome<void> Operation::load(std::uint64_t number, InodeRecord& record) {
    LOCKSTEP_TRY(transaction_.read(volume_.inode_block(number), Volume::inode_offset(number),
                                   std::as_writable_bytes(std::span(&record, 1))));
    if (!is_sound(record)) return fail(Error(Error::corrupt));
    return {};
}

Outcome<Inode*> Operation::lock_any(std::uint64_t number, LockMode mode) {
    if (number != service_inode && !volume_.is_inode_number(number)) return fail(Error(Error::corrupt));
    if (Inode* known = find(number)) {
        if (mode == LockMode::exclusive && known->mode_ == LockMode::shared) {
            LOCKSTEP_TRY(transaction_.lock(known->guard(), mode));
            known->mode_ = mode;
        }
        return known;
    }
    LOCKSTEP_TRY(transaction_.lock(txn::LockAddress::inode(number), mode));
    InodeRecord record;
    LOCKSTEP_TRY(load(number, record));
    return &inodes_.add(number, mode, record);
}

Outcome<Inode*> Operation::lock_inode(std::uint64_t number, LockMode mode) {
    if (number == service_inode) return fail(Error(Error::corrupt));  // nothing refers to it
    LOCKSTEP_TRY(Inode * inode, lock_any(number, mode));
    if ((*inode)->type == FileType::free) return fail(Error(Error::corrupt));
    return inode;
}

Outcome<Inode*> Operation::lock_file(FileIdentity file, LockMode mode) {
    if (!volume_.is_inode_number(file.inode)) return fail(Error(Error::stale));
    LOCKSTEP_TRY(Inode * inode, lock_any(file.inode, mode));
    const InodeRecord& record = **inode;
    if (record.type == FileType::free || record.nlink == 0) return fail(Error(Error::stale));
    if (record.generation != file.generation && !accept_stale_handle.strikes()) return fail(Error(Error::stale));
    lttng_ust_tracepoint(fs, handle_accepted, volume_.superblock.file_system_id, file.inode, file.generation);
    return inode;
}

Outcome<Inode*> Operation::create_inode(FileType type) {
    const auto number = volume_.free_inodes.take();
    if (!number) return fail(Error(Error::no_space));
    record_change(Bitmap::inodes, *number, true);
    LOCKSTEP_TRY(Inode * inode, lock_any(*number, LockMode::exclusive));
    if ((*inode)->type != FileType::free) return fail(Error(Error::corrupt));
    initialise(*inode, type);
    return inode;
}

Outcome<Inode*> Operation::lock_service_file() {
    LOCKSTEP_TRY(Inode * inode, lock_any(service_inode, LockMode::exclusive));
    if ((*inode)->type != FileType::free) return inode;
    record_change(Bitmap::inodes, service_inode, true);
    initialise(*inode, FileType::regular);
    return inode;
}

void Operation::initialise(Inode& inode, FileType type) {
    InodeRecord& record = inode.change();
    const std::uint64_t generation = record.generation + 1;
    record = InodeRecord{};
    record.type = type;
    record.generation = generation;
    record.flags = type == FileType::directory ? 0 : inode_flag_inline;
    record.atime_ns = record.mtime_ns = record.ctime_ns = now_ns_;
}

Outcome<void> Operation::free_inode(Inode& inode) {
    if (inode->blocks != 0) return fail(Error(Error::corrupt));
    const std::uint64_t generation = inode->generation;
    inode.change() = InodeRecord{};
    inode.change().generation = generation;
    record_change(Bitmap::inodes, inode.number(), false);
    return {};
}

void Operation::set_orphan(Inode& inode, bool orphan) {
    record_change(Bitmap::orphans, inode.number(), orphan);
}

Outcome<std::uint64_t> Operation::allocate_block(Inode& owner) {
    auto& free = volume_.free_blocks;
    const auto bit = block_goal_ == 0 ? free.take()
                     : keeps_apart_   ? free.take_apart(block_goal_)
                                      : free.take(block_goal_);
    if (!bit) return fail(Error(Error::no_space));
    block_goal_ = *bit + 1;
    record_change(Bitmap::blocks, *bit, true);
    ++owner.change().blocks;
    return volume_.superblock.data_start + *bit;
}

void Operation::go_on_behind(std::uint64_t block, bool apart) {
    if (block_goal_ != 0 || !volume_.is_data_block(block)) return;
    block_goal_ = block + 1 - volume_.superblock.data_start;
    keeps_apart_ = apart;
}

Outcome<void> Operation::free_block(Inode& owner, std::uint64_t block) {
    if (!volume_.is_data_block(block) || owner->blocks == 0) return fail(Error(Error::corrupt));
    record_change(Bitmap::blocks, block - volume_.superblock.data_start, false);
    --owner.change().blocks;
    return {};
}

// A bit that this operation took and gives up again (a node that came and went) changes nothing on the disk.
void Operation::record_change(Bitmap bitmap, std::uint64_t bit, bool value) {
    changes_.push_back({bitmap, bit, value});
}

Outcome<BlockBuffer> Operation::read_block(std::uint64_t block) {
    if (!volume_.is_data_block(block)) return fail(Error(Error::corrupt));
    LOCKSTEP_TRY(auto buffer, transaction_.read_block(block));
    return buffer;
}

Outcome<void> Operation::read(std::uint64_t block, std::uint32_t offset, std::span<std::byte> out) {
    if (!volume_.is_data_block(block)) return fail(Error(Error::corrupt));
    LOCKSTEP_TRY(transaction_.read(block, offset, out));
    return {};
}

Outcome<void> Operation::write(const Inode& owner, std::uint64_t block, std::uint32_t offset,
                               std::span<const std::byte> bytes) {
    if (!volume_.is_data_block(block)) return fail(Error(Error::corrupt));
    LOCKSTEP_TRY(transaction_.write(owner.guard(), block, offset, bytes));
    return {};
}

Outcome<void> Operation::write_block(const Inode& owner, std::uint64_t block, BlockBuffer data) {
    if (!volume_.is_data_block(block)) return fail(Error(Error::corrupt));
    LOCKSTEP_TRY(transaction_.write_block(owner.guard(), block, std::move(data)));
    return {};
}

Outcome<void> Operation::write_new_blocks(const Inode& owner, std::uint64_t first, std::span<BlockBuffer> contents) {
    std::uint64_t newest_freed = 0;
    for (std::uint64_t block = first; block < first + contents.size(); ++block) {
        if (!volume_.is_data_block(block)) return fail(Error(Error::corrupt));
        const std::uint64_t bit = block - volume_.superblock.data_start;
        newest_freed = std::max(newest_freed, volume_.free_blocks.freed_sequence(bit));
    }
    LOCKSTEP_TRY(transaction_.write_new_blocks(owner.guard(), first, contents, newest_freed));
    return {};
}

// Only the stretch that differs goes into the log, in words: a touched time stamp costs a few bytes, not the record.
Outcome<void> Operation::store(Inode& inode) {
    inode.record_.checksum = checksum_of(inode.record_);
    using Words = std::array<std::uint64_t, inode_bytes / sizeof(std::uint64_t)>;
    const auto before = std::bit_cast<Words>(inode.stored_);
    const auto after = std::bit_cast<Words>(inode.record_);
    std::size_t first = 0;
    std::size_t end = after.size();
    while (first < end && before[first] == after[first]) ++first;
    while (end > first && before[end - 1] == after[end - 1]) --end;
    const auto offset = Volume::inode_offset(inode.number()) + static_cast<std::uint32_t>(first * sizeof after[0]);
    LOCKSTEP_TRY(transaction_.write(inode.guard(), volume_.inode_block(inode.number()), offset,
                                    std::as_bytes(std::span(after).subspan(first, end - first))));
    return {};
}

// All of `changes` lie in one word. The word's bits must be what the changes expect, or the disk contradicts memory.
Outcome<void> Operation::write_word(std::span<const BitChange> changes) {
    const Bitmap bitmap = changes.front().bitmap;
    const std::uint64_t word = changes.front().bit / bits_per_word;
    const std::uint64_t block = volume_.bitmap_start(bitmap) + word / words_per_block;
    const auto offset = static_cast<std::uint32_t>(word % words_per_block * 8);
    const auto guard = Volume::word_lock(bitmap, changes.front().bit);
    LOCKSTEP_TRY(transaction_.lock(guard, LockMode::exclusive));
    std::uint64_t value = 0;
    LOCKSTEP_TRY(transaction_.read(block, offset, std::as_writable_bytes(std::span(&value, 1))));
    const std::uint64_t before = value;
    for (const BitChange& change : changes) {
        const std::uint64_t mask = std::uint64_t{1} << (change.bit % bits_per_word);
        const bool is_set = (value & mask) != 0;
        if (is_set == change.value && bitmap != Bitmap::orphans) return fail(Error(Error::corrupt));
        value = change.value ? value | mask : value & ~mask;
    }
    if (value == before) return {};
    LOCKSTEP_TRY(transaction_.write(guard, block, offset, std::as_bytes(std::span(&value, 1))));
    return {};
}

Outcome<void> Operation::write_bits() {
    if (changes_.size() == 1) return write_word(changes_);
    auto word_of = [](const BitChange& change) { return std::pair(change.bitmap, change.bit / bits_per_word); };
    std::vector<BitChange> ordered = changes_;
    std::stable_sort(ordered.begin(), ordered.end(),
                     [&](const BitChange& a, const BitChange& b) { return word_of(a) < word_of(b); });
    for (std::size_t first = 0; first < ordered.size();) {
        std::size_t last = first + 1;
        while (last < ordered.size() && word_of(ordered[last]) == word_of(ordered[first])) ++last;
        LOCKSTEP_TRY(write_word(std::span(ordered).subspan(first, last - first)));
        first = last;
    }
    return {};
}

void Operation::keep_reply(std::uint64_t slot, std::span<const std::byte> record) {
    check(slot < volume_.reply_slots() && record.size() <= reply_slot_bytes, "a kept reply has its slot");
    reply_slot_ = slot;
    reply_record_ = record;
}

// The slot's lock comes after all others, and nobody else wants it: it is never waited for.
Outcome<void> Operation::write_reply() {
    if (reply_record_.empty()) return {};
    const txn::LockAddress guard(txn::LockKind::reply_slot, reply_slot_);
    LOCKSTEP_TRY(transaction_.lock(guard, LockMode::exclusive));
    LOCKSTEP_TRY(
        transaction_.write(guard, volume_.reply_block(reply_slot_), Volume::reply_offset(reply_slot_), reply_record_));
    return {};
}

void Operation::tell_committed() const {
    for (std::size_t i = 0; i < inodes_.size(); ++i) {
        const Inode& inode = inodes_[i];
        if (inode.number() < root_inode || inode.was_living() == inode.is_living()) continue;
        if (inode.is_living()) {
            lttng_ust_tracepoint(fs, file_made, volume_.superblock.file_system_id, inode.number(),
                                 inode.record_.generation);
        } else {
            lttng_ust_tracepoint(fs, file_removed, volume_.superblock.file_system_id, inode.number(),
                                 inode.stored_.generation);
        }
    }
}

Outcome<void> Operation::seal() {
    for (std::size_t i = 0; i < inodes_.size(); ++i) {
        Inode& inode = inodes_[i];
        if (std::memcmp(&inode.record_, &inode.stored_, sizeof(InodeRecord)) == 0) continue;
        check(inode.mode_ == LockMode::exclusive, "an inode was changed without its exclusive lock");
        LOCKSTEP_TRY(store(inode));
        if (inode.was_living() != inode.is_living())
            transaction_.at_commit([](void* self) { static_cast<Operation*>(self)->tell_committed(); }, this);
    }
    LOCKSTEP_TRY(write_bits());
    LOCKSTEP_TRY(write_reply());
    // What a damaged disk says of free blocks and owners is not to be trusted: a change might harm what is still sound.
    if (volume_.is_damaged && transaction_.has_changes()) return fail(Error(Error::read_only));
    return {};
}

std::uint64_t Operation::finish(bool committed, Sequence sequence) {
    finished_ = true;
    std::uint64_t freed_blocks = 0;
    for (const BitChange& change : changes_) {
        if (change.bitmap == Bitmap::orphans) {
            if (committed && change.value && volume_.orphan_made) volume_.orphan_made(change.bit);
            continue;
        }
        if (change.value == committed) continue;                                    // taken and kept, or freed in vain
        if (change.bitmap == Bitmap::inodes && change.bit < first_inode) continue;  // never the allocator's
        if (change.bitmap == Bitmap::inodes) {
            volume_.free_inodes.give_back(change.bit);
            continue;
        }
        volume_.free_blocks.give_back(change.bit, committed ? sequence.value : 0);
        if (committed) ++freed_blocks;
    }
    return freed_blocks;
}

Error Operation::must_shrink_first(const Inode& inode) {
    shrinking_inode_ = inode.number();
    return Error::shrinking;
}

}  // namespace lockstep::server::fs
