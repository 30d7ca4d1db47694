// One block of a directory's B+tree, in memory. Leaves hold entries in the order of their keys: an array of 16-bit
// offsets grows from the head, the records grow from the end, so that an insertion changes few bytes (and logs few):
//
//   | NodeHeader | slot 0 | slot 1 | ...  ->      free      <-  ... | record | record |        a leaf
//   | NodeHeader | key 0, child 0 | key 1, child 1 | ...                             |        an inner node
//
//   record: | key 8 | inode 8 | name length 1 | name |
//
// An inner node's child i holds the keys from key i up to, not including, key i + 1; the first key of the leftmost node
// of a level is 0. Layer: fs. Pure data: no transaction, no disk.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "nfs_server/disk/block_buffer.hpp"
#include "nfs_server/fs/layout.hpp"

namespace lockstep::server::fs {

/// One name in a directory. `key` orders it and is its READDIR cookie. `name` points into the node.
struct DirectoryEntry {
    std::uint64_t key = 0;
    std::uint64_t inode = no_inode;
    std::string_view name;
};

/// A pointer of an inner node.
struct ChildPointer {
    std::uint64_t key = 0;
    std::uint64_t block = 0;
};

class DirectoryNode {
 public:
    /// An empty node.
    DirectoryNode(std::uint64_t owner, unsigned level);

    /// Reads a block's bytes. Nothing when they are not a sound node of this directory: every later access stays
    /// inside.
    static std::optional<DirectoryNode> parse(std::span<const std::byte> block, std::uint64_t owner);

    unsigned level() const { return header().level; }
    std::size_t count() const { return header().count; }
    /// The block's bytes, with their checksum.
    std::span<const std::byte> finished();

    // Leaves.
    DirectoryEntry entry(std::size_t index) const;
    /// Index of the first entry whose key is at least `key`; count() when there is none.
    std::size_t lower_bound(std::uint64_t key) const;
    /// True when an entry with a name of this length fits, after compaction if need be.
    bool fits(std::size_t name_bytes) const;
    /// Precondition: fits, and the key is new.
    void insert(const DirectoryEntry& entry);
    void erase(std::size_t index);
    void set_inode(std::size_t index, std::uint64_t inode);
    /// Bytes in use by entries.
    std::size_t used_bytes() const;

    // Inner nodes.
    ChildPointer child(std::size_t index) const;
    /// The child that covers `key`.
    std::size_t child_index(std::uint64_t key) const;
    bool has_room_for_child() const;
    void insert_child(std::size_t index, ChildPointer child);
    void erase_child(std::size_t index);
    void set_child_key(std::size_t index, std::uint64_t key);

    /// Moves the upper part, about half of the bytes, to `right`, which is empty. Returns the first key of `right`.
    std::uint64_t split_to(DirectoryNode& right);
    /// True when all of `right`, the next node of the same level, fits in here.
    bool can_absorb(const DirectoryNode& right) const;
    /// Appends all of `right`.
    void absorb(const DirectoryNode& right);

    static constexpr std::size_t room_bytes = block_bytes - sizeof(NodeHeader);
    static constexpr std::size_t max_children = room_bytes / sizeof(ChildPointer);

 private:
    DirectoryNode() = default;
    NodeHeader header() const;
    void set_header(const NodeHeader& header);
    std::uint16_t slot(std::size_t index) const;
    void set_slot(std::size_t index, std::uint16_t offset);
    std::size_t record_bytes(std::size_t index) const;
    std::uint64_t key_at(std::size_t index) const;
    void compact();
    bool leaf_is_sound() const;
    bool inner_is_sound() const;

    std::array<std::byte, block_bytes> bytes_;
};

}  // namespace lockstep::server::fs
