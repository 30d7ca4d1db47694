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
#include <span>
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

/// A node in a block's own memory, for reading. Valid as long as that memory is, and unchanged.
class DirectoryNodeView {
 public:
    /// Reads a block's bytes. Nothing when they are not a sound node of this directory: every later access stays
    /// inside.
    static std::optional<DirectoryNodeView> parse(std::span<const std::byte> block, std::uint64_t owner);
    /// Of bytes that parse() has found sound, and that have not changed since.
    static DirectoryNodeView of_sound(std::span<const std::byte> block) { return DirectoryNodeView(block.data()); }

    /// The block's bytes.
    std::span<const std::byte> bytes() const { return {bytes_, block_bytes}; }
    unsigned level() const { return header().level; }
    std::size_t count() const { return header().count; }

    // Leaves.
    DirectoryEntry entry(std::size_t index) const;
    /// Index of the first entry whose key is at least `key`; count() when there is none.
    std::size_t lower_bound(std::uint64_t key) const;
    /// Bytes in use by entries.
    std::size_t used_bytes() const;
    /// True when an entry with a name of this length fits, after compaction if need be.
    bool fits(std::size_t name_bytes) const;

    // Inner nodes.
    ChildPointer child(std::size_t index) const;
    /// The child that covers `key`.
    std::size_t child_index(std::uint64_t key) const;
    bool has_room_for_child() const;

    /// True when all of `right`, the next node of the same level, fits in here.
    bool can_absorb(const DirectoryNodeView& right) const;

    static constexpr std::size_t room_bytes = block_bytes - sizeof(NodeHeader);
    static constexpr std::size_t max_children = room_bytes / sizeof(ChildPointer);

 private:
    friend class DirectoryNode;
    explicit DirectoryNodeView(const std::byte* bytes) : bytes_(bytes) {}
    NodeHeader header() const;
    std::uint16_t slot(std::size_t index) const;
    std::size_t record_bytes(std::size_t index) const;
    std::uint64_t key_at(std::size_t index) const;
    bool leaf_is_sound() const;
    bool inner_is_sound() const;

    const std::byte* bytes_;
};

/// A node in memory of its own, for changing.
class DirectoryNode {
 public:
    /// An empty node.
    DirectoryNode(std::uint64_t owner, unsigned level);
    /// A copy.
    explicit DirectoryNode(const DirectoryNodeView& node);

    DirectoryNodeView view() const { return DirectoryNodeView(bytes_.data()); }
    unsigned level() const { return view().level(); }
    std::size_t count() const { return view().count(); }
    /// The block's bytes, with their checksum.
    std::span<const std::byte> finished();

    // Leaves.
    DirectoryEntry entry(std::size_t index) const { return view().entry(index); }
    std::size_t lower_bound(std::uint64_t key) const { return view().lower_bound(key); }
    std::size_t used_bytes() const { return view().used_bytes(); }
    /// True when an entry with a name of this length fits, after compaction if need be.
    bool fits(std::size_t name_bytes) const { return view().fits(name_bytes); }
    /// Precondition: fits, and the key is new.
    void insert(const DirectoryEntry& entry);
    void erase(std::size_t index);
    void set_inode(std::size_t index, std::uint64_t inode);

    // Inner nodes.
    ChildPointer child(std::size_t index) const { return view().child(index); }
    std::size_t child_index(std::uint64_t key) const { return view().child_index(key); }
    bool has_room_for_child() const { return view().has_room_for_child(); }
    void insert_child(std::size_t index, ChildPointer child);
    void erase_child(std::size_t index);
    void set_child_key(std::size_t index, std::uint64_t key);

    /// Moves the upper part, about half of the bytes, to `right`, which is empty. Returns the first key of `right`.
    std::uint64_t split_to(DirectoryNode& right);
    /// Appends all of `right`, which can be absorbed.
    void absorb(const DirectoryNodeView& right);

    static constexpr std::size_t room_bytes = DirectoryNodeView::room_bytes;
    static constexpr std::size_t max_children = DirectoryNodeView::max_children;

 private:
    NodeHeader header() const { return view().header(); }
    void set_header(const NodeHeader& header);
    std::uint16_t slot(std::size_t index) const { return view().slot(index); }
    void set_slot(std::size_t index, std::uint16_t offset);
    std::size_t record_bytes(std::size_t index) const { return view().record_bytes(index); }
    void compact();

    std::array<std::byte, block_bytes> bytes_;
};

}  // namespace lockstep::server::fs
