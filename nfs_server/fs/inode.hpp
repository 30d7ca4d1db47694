// An inode as an operation sees it: locked, read once, changed in memory, written back when the operation is sealed.
// Layer: fs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "nfs_server/fs/file_handle.hpp"
#include "nfs_server/fs/layout.hpp"
#include "nfs_server/txn/lock_address.hpp"
#include "nfs_server/txn/transaction.hpp"

namespace lockstep::server::fs {

/// One locked inode of one Operation, which owns it; valid until the operation ends.
class Inode {
 public:
    Inode(std::uint64_t number, txn::LockMode mode, const InodeRecord& record)
        : number_(number), mode_(mode), stored_(record), record_(record) {}

    std::uint64_t number() const { return number_; }
    FileIdentity identity() const { return {number_, record_.generation}; }
    txn::LockAddress guard() const { return txn::LockAddress::inode(number_); }
    txn::LockMode mode() const { return mode_; }

    const InodeRecord& operator*() const { return record_; }
    const InodeRecord* operator->() const { return &record_; }
    /// For changing. The caller holds it exclusively; the change is written by Operation::seal().
    InodeRecord& change() { return record_; }
    /// As it was when the operation locked it: what wcc data calls `before`.
    const InodeRecord& before() const { return stored_; }

    /// Whether a handle may name it: now, and when the operation locked it.
    bool is_living() const { return is_living(record_); }
    bool was_living() const { return is_living(stored_); }

    bool is_directory() const { return record_.type == FileType::directory; }
    bool is_regular() const { return record_.type == FileType::regular; }
    bool is_inline() const { return (record_.flags & inode_flag_inline) != 0; }
    bool is_shrinking() const { return (record_.flags & inode_flag_shrinking) != 0; }

    /// The 16 block pointers in the payload. Not for inline files.
    std::uint64_t slot(std::size_t index) const;
    void set_slot(std::size_t index, std::uint64_t block);

 private:
    static bool is_living(const InodeRecord& record) { return record.type != FileType::free && record.nlink > 0; }

    friend class Operation;
    std::uint64_t number_;
    txn::LockMode mode_;
    InodeRecord stored_;
    InodeRecord record_;
};

/// The inodes that an operation has locked, in the order in which it did. Each stays where it is; the first few take no
/// memory of their own.
class InodeList {
 public:
    InodeList() {}  // the memory of inodes to come stays as it is
    ~InodeList() {}
    InodeList(const InodeList&) = delete;
    InodeList& operator=(const InodeList&) = delete;

    Inode& add(std::uint64_t number, txn::LockMode mode, const InodeRecord& record) {
        const std::size_t index = count_++;
        if (index < few) return *std::construct_at(&few_[index], number, mode, record);
        return *more_.emplace_back(std::make_unique<Inode>(number, mode, record));
    }
    std::size_t size() const { return count_; }
    Inode& operator[](std::size_t index) { return index < few ? few_[index] : *more_[index - few]; }
    const Inode& operator[](std::size_t index) const { return index < few ? few_[index] : *more_[index - few]; }

 private:
    static constexpr std::size_t few = 3;  // what most procedures lock at most
    static_assert(std::is_trivially_destructible_v<Inode>);
    std::size_t count_ = 0;
    union {
        std::array<Inode, few> few_;  // made as they are added
    };
    std::vector<std::unique_ptr<Inode>> more_;
};

/// The record's checksum, over the record with the checksum field zero.
std::uint32_t checksum_of(const InodeRecord& record);

/// True when the record could have been written by this program: its checksum, type, flags and height are sound.
/// A record of zeros (never used) is sound.
bool is_sound(const InodeRecord& record);

}  // namespace lockstep::server::fs
