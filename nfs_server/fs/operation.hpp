// One attempt at one operation: a transaction, the inodes it has locked, and the bits it means to change.
//
// Locks are taken in this order: inodes (ascending where the operation can choose), then, in seal(), the words of the
// bitmaps in ascending order. Blocks and inodes are chosen from the allocators in memory at once and held by
// reservation, so that the bitmaps' words are locked only for the last instants of the transaction. Everything that
// hangs on an inode (its record, its data, its block map, a directory's tree) is guarded by the inode's lock.
//
// Reservations end with finish(): after a commit, what was freed becomes allocatable; otherwise, what was taken does.
// Layer: fs. One thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nfs_server/fs/bit_allocator.hpp"
#include "nfs_server/fs/error.hpp"
#include "nfs_server/fs/inode.hpp"
#include "nfs_server/fs/volume.hpp"
#include "nfs_server/txn/transaction.hpp"

namespace lockstep::server::fs {

class Operation {
 public:
    /// `volume` and `transaction` outlive the operation's use; `now_ns` is the time that this operation happens at.
    Operation(Volume& volume, txn::Transaction& transaction, std::uint64_t now_ns);
    /// Drops reservations, unless finish() was called.
    ~Operation();
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

    Volume& volume() { return volume_; }
    std::uint64_t now_ns() const { return now_ns_; }

    /// Locks an inode that something on the disk refers to. Locked again, it is the same object; shared then exclusive
    /// is an upgrade. Errors: conflict; io; corrupt (also: a free inode).
    Outcome<Inode*> lock_inode(std::uint64_t number, txn::LockMode mode);

    /// Locks the inode that a handle names. Errors: conflict; io; corrupt; stale (gone, or used again by another file).
    Outcome<Inode*> lock_file(FileIdentity file, txn::LockMode mode);

    /// Locks an inode that may be free: for the reaper. Errors: conflict, io, corrupt.
    Outcome<Inode*> lock_any(std::uint64_t number, txn::LockMode mode);

    /// A new inode with a generation of its own, locked exclusively; empty, its times `now`. Errors: no_space,
    /// conflict, io.
    Outcome<Inode*> create_inode(FileType type);

    /// The file that no name leads to, for what the server itself must remember; locked exclusively, made if there was
    /// none. Errors: conflict, io, corrupt.
    Outcome<Inode*> lock_service_file();

    /// Makes the inode free. Its blocks have been freed before. Errors: corrupt (it counts more than it had).
    Outcome<void> free_inode(Inode& inode);

    /// Marks or unmarks the inode in the orphan bitmap: whether the reaper has work with it.
    void set_orphan(Inode& inode, bool orphan);

    /// A block for `owner`, its content undefined until written whole: next to what this operation allocated last, or
    /// where the calling thread works. Errors: no_space.
    Outcome<std::uint64_t> allocate_block(Inode& owner);
    /// The blocks that are allocated next go on behind `block`, unless this operation has allocated some before. apart:
    /// where nobody else allocates, if that place is taken.
    void go_on_behind(std::uint64_t block, bool apart);
    /// Errors: corrupt (no such block).
    Outcome<void> free_block(Inode& owner, std::uint64_t block);

    /// Reading and changing blocks that hang on `owner`. Block numbers that the disk doesn't have are answered
    /// `corrupt`.
    Outcome<BlockBuffer> read_block(std::uint64_t block);
    Outcome<void> read(std::uint64_t block, std::uint32_t offset, std::span<std::byte> out);
    Outcome<void> write(const Inode& owner, std::uint64_t block, std::uint32_t offset,
                        std::span<const std::byte> bytes);
    Outcome<void> write_block(const Inode& owner, std::uint64_t block, BlockBuffer data);
    /// Neighbours that this operation has allocated and not written yet. Takes the contents, which may pass the log by.
    Outcome<void> write_new_blocks(const Inode& owner, std::uint64_t first, std::span<BlockBuffer> contents);

    /// Keeps a reply in its slot as part of this operation. `record` (kept_reply.hpp) lives until the operation has
    /// ended; the slot is the caller's alone until then.
    void keep_reply(std::uint64_t slot, std::span<const std::byte> record);

    /// Writes inodes, bitmap words and the reply into the transaction. The last call before the commit. Errors:
    /// conflict, io, corrupt, read_only (a change, and damage was found).
    Outcome<void> seal();

    /// The transaction has ended; `sequence`: of its commit. Wakes the reaper when there is work for it. Returns how
    /// many blocks have become free.
    std::uint64_t finish(bool committed, Sequence sequence = {});

    /// The inode whose cut-off tail has to be freed first, when an error `shrinking` was returned.
    std::uint64_t shrinking_inode() const { return shrinking_inode_; }
    Error must_shrink_first(const Inode& inode);

    /// How many blocks of directory trees and block maps this operation has read: its cost, for tests.
    std::uint64_t nodes_read() const { return nodes_read_; }
    void count_node() { ++nodes_read_; }

 private:
    struct BitChange {
        Bitmap bitmap;
        std::uint64_t bit;
        bool value;
    };

    void initialise(Inode& inode, FileType type);
    Outcome<void> load(std::uint64_t number, InodeRecord& record);
    Outcome<void> store(Inode& inode);
    Outcome<void> write_word(std::span<const BitChange> changes);
    Outcome<void> write_bits();
    Outcome<void> write_reply();
    void tell_committed() const;
    Inode* find(std::uint64_t number);
    void record_change(Bitmap bitmap, std::uint64_t bit, bool value);

    Volume& volume_;
    txn::Transaction& transaction_;
    std::uint64_t now_ns_;
    InodeList inodes_;
    std::vector<BitChange> changes_;
    std::span<const std::byte> reply_record_;  // empty: none is kept
    std::uint64_t reply_slot_ = 0;
    std::uint64_t block_goal_ = 0;  // where to allocate; 0: anywhere
    bool keeps_apart_ = false;      // if that place is taken
    std::uint64_t shrinking_inode_ = no_inode;
    std::uint64_t nodes_read_ = 0;
    bool finished_ = false;
};

}  // namespace lockstep::server::fs
