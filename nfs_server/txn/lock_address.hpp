// The logical addresses that transactions lock: a kind and a number, in one 64-bit word that orders them.
//
//    63      56 55                                   0
//   +----------+-------------------------------------+
//   |   kind   |               number                |
//   +----------+-------------------------------------+
//
// Locks name objects, not blocks: two inodes in one block have two addresses and do not conflict. Transactions that
// take their locks in ascending order of this word never wait for each other in a circle.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace lockstep::server::txn {

/// What kind of object a lock address names. Ascending order is the order of locking: a kind that is chosen while
/// others are held (an allocation's bit) comes late.
enum class LockKind : uint8_t {
    inode = 1,        ///< an inode and all that hangs on it: its data, its block map, a directory's entries
    block_bit = 2,    ///< one bit of the block bitmap, by block number
    inode_bit = 3,    ///< one bit of the inode bitmap, by inode number
    superblock = 4,   ///< the file system's superblock
    orphan_list = 5,  ///< the list of removed inodes whose blocks are still to be freed
    reply_slot = 6,   ///< one kept reply, by its slot
    first_free = 16,  ///< layers above may use kinds from here
};

/// A logical address. Ordered by kind, then number.
class LockAddress {
 public:
    static constexpr int number_bits = 56;
    static constexpr uint64_t number_limit = uint64_t{1} << number_bits;

    constexpr LockAddress() = default;
    /// `number` must be below 2^56; what is above is cut off.
    constexpr LockAddress(LockKind kind, uint64_t number)
        : value_(static_cast<uint64_t>(kind) << number_bits | (number & (number_limit - 1))) {}

    static constexpr LockAddress inode(uint64_t number) { return {LockKind::inode, number}; }
    static constexpr LockAddress block_bit(uint64_t block) { return {LockKind::block_bit, block}; }
    static constexpr LockAddress inode_bit(uint64_t number) { return {LockKind::inode_bit, number}; }

    constexpr LockKind kind() const { return static_cast<LockKind>(value_ >> number_bits); }
    constexpr uint64_t number() const { return value_ & (number_limit - 1); }
    /// The word that the tracepoints of txn carry.
    constexpr uint64_t value() const { return value_; }

    friend constexpr auto operator<=>(LockAddress, LockAddress) = default;

 private:
    uint64_t value_ = 0;
};

}  // namespace lockstep::server::txn

template <>
struct std::hash<lockstep::server::txn::LockAddress> {
    size_t operator()(lockstep::server::txn::LockAddress address) const noexcept {
        // The kind, too, must tell in the low bits: an inode and its bit have the same number.
        const uint64_t mixed = (address.value() ^ address.value() >> 51) * 0x9e3779b97f4a7c15u;
        return mixed ^ mixed >> 32;
    }
};
