#include "nfs_server/fs/directory_node.hpp"

#include <algorithm>
#include <cstring>

#include "nfs_server/base/check.hpp"
#include "nfs_server/fs/checksum.hpp"

namespace lockstep::server::fs {
namespace {

constexpr std::size_t slot_bytes = 2;
constexpr std::size_t record_head_bytes = 17;  // key, inode, name length
constexpr std::size_t slots_start = sizeof(NodeHeader);

template <class T>
T get(const std::byte* bytes, std::size_t offset) {
    T value;
    std::memcpy(&value, bytes + offset, sizeof value);
    return value;
}

template <class T>
void put(std::array<std::byte, block_bytes>& bytes, std::size_t offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof value);
}

std::uint32_t checksum_of_node(std::span<const std::byte> bytes) {
    return crc32c(bytes.subspan(sizeof(std::uint32_t)));  // the checksum is the first field
}

}  // namespace

std::optional<DirectoryNodeView> DirectoryNodeView::parse(std::span<const std::byte> block, std::uint64_t owner) {
    const DirectoryNodeView node(block.data());
    const NodeHeader header = node.header();
    if (header.magic != node_magic || header.owner != owner || header.checksum != checksum_of_node(block))
        return std::nullopt;
    if (!(header.level == 0 ? node.leaf_is_sound() : node.inner_is_sound())) return std::nullopt;
    return node;
}

bool DirectoryNodeView::leaf_is_sound() const {
    const NodeHeader h = header();
    const std::size_t slots_end = slots_start + h.count * slot_bytes;
    if (h.heap_start > block_bytes || slots_end > h.heap_start) return false;
    std::size_t live = 0;
    for (std::size_t i = 0; i < h.count; ++i) {
        const std::size_t at = slot(i);
        if (at < h.heap_start || at + record_head_bytes > block_bytes) return false;
        if (at + record_bytes(i) > block_bytes) return false;
        if (i > 0 && key_at(i - 1) >= key_at(i)) return false;
        live += record_bytes(i);
    }
    return live + h.dead_bytes == block_bytes - h.heap_start;
}

bool DirectoryNodeView::inner_is_sound() const {
    const std::size_t children = count();
    if (children == 0 || children > max_children) return false;
    for (std::size_t i = 1; i < children; ++i)
        if (child(i - 1).key >= child(i).key) return false;
    return true;
}

NodeHeader DirectoryNodeView::header() const {
    return get<NodeHeader>(bytes_, 0);
}

std::uint16_t DirectoryNodeView::slot(std::size_t index) const {
    return get<std::uint16_t>(bytes_, slots_start + index * slot_bytes);
}

std::uint64_t DirectoryNodeView::key_at(std::size_t index) const {
    return get<std::uint64_t>(bytes_, slot(index));
}

std::size_t DirectoryNodeView::record_bytes(std::size_t index) const {
    return record_head_bytes + get<std::uint8_t>(bytes_, slot(index) + 16u);
}

DirectoryEntry DirectoryNodeView::entry(std::size_t index) const {
    const std::size_t at = slot(index);
    const auto* name = reinterpret_cast<const char*>(bytes_ + at + record_head_bytes);
    return {get<std::uint64_t>(bytes_, at), get<std::uint64_t>(bytes_, at + 8),
            std::string_view(name, get<std::uint8_t>(bytes_, at + 16))};
}

std::size_t DirectoryNodeView::lower_bound(std::uint64_t key) const {
    std::size_t low = 0;
    for (std::size_t high = count(); low < high;) {
        const std::size_t middle = (low + high) / 2;
        if (key_at(middle) < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

std::size_t DirectoryNodeView::used_bytes() const {
    const NodeHeader h = header();
    return h.count * slot_bytes + (block_bytes - h.heap_start) - h.dead_bytes;
}

ChildPointer DirectoryNodeView::child(std::size_t index) const {
    return get<ChildPointer>(bytes_, slots_start + index * sizeof(ChildPointer));
}

std::size_t DirectoryNodeView::child_index(std::uint64_t key) const {
    std::size_t low = 0;
    for (std::size_t high = count(); high - low > 1;) {
        const std::size_t middle = (low + high) / 2;
        if (child(middle).key <= key) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

bool DirectoryNodeView::fits(std::size_t name_bytes) const {
    return used_bytes() + slot_bytes + record_head_bytes + name_bytes <= room_bytes;
}

bool DirectoryNodeView::has_room_for_child() const {
    return count() < max_children;
}

bool DirectoryNodeView::can_absorb(const DirectoryNodeView& right) const {
    if (level() > 0) return count() + right.count() <= max_children;
    return used_bytes() + right.used_bytes() <= room_bytes;
}

// --- Changing --------------------------------------------------------------------------------------------------------

DirectoryNode::DirectoryNode(std::uint64_t owner, unsigned level) : bytes_{} {
    NodeHeader header{};
    header.magic = node_magic;
    header.level = static_cast<std::uint8_t>(level);
    header.heap_start = block_bytes;
    header.owner = owner;
    set_header(header);
}

DirectoryNode::DirectoryNode(const DirectoryNodeView& node) {
    std::memcpy(bytes_.data(), node.bytes().data(), block_bytes);
}

std::span<const std::byte> DirectoryNode::finished() {
    put(bytes_, offsetof(NodeHeader, checksum), checksum_of_node(bytes_));
    return bytes_;
}

void DirectoryNode::set_header(const NodeHeader& header) {
    put(bytes_, 0, header);
}

void DirectoryNode::set_slot(std::size_t index, std::uint16_t offset) {
    put(bytes_, slots_start + index * slot_bytes, offset);
}

void DirectoryNode::insert(const DirectoryEntry& entry) {
    check(fits(entry.name.size()), "a directory entry is inserted into a full node");
    const std::size_t size = record_head_bytes + entry.name.size();
    if (slots_start + (count() + 1) * slot_bytes + size > header().heap_start) compact();
    NodeHeader h = header();
    h.heap_start = static_cast<std::uint16_t>(h.heap_start - size);
    put(bytes_, h.heap_start, entry.key);
    put(bytes_, h.heap_start + 8u, entry.inode);
    put(bytes_, h.heap_start + 16u, static_cast<std::uint8_t>(entry.name.size()));
    std::memcpy(bytes_.data() + h.heap_start + record_head_bytes, entry.name.data(), entry.name.size());
    const std::size_t index = lower_bound(entry.key);
    for (std::size_t i = h.count; i > index; --i) set_slot(i, slot(i - 1));
    set_slot(index, h.heap_start);
    ++h.count;
    set_header(h);
}

void DirectoryNode::erase(std::size_t index) {
    NodeHeader h = header();
    h.dead_bytes = static_cast<std::uint16_t>(h.dead_bytes + record_bytes(index));
    for (std::size_t i = index + 1; i < h.count; ++i) set_slot(i - 1, slot(i));
    --h.count;
    set_header(h);
}

void DirectoryNode::set_inode(std::size_t index, std::uint64_t inode) {
    put(bytes_, slot(index) + 8u, inode);
}

// Writes the live records anew, without the gaps that erased ones left.
void DirectoryNode::compact() {
    const DirectoryNode old = *this;
    NodeHeader h = header();
    std::size_t at = block_bytes;
    for (std::size_t i = 0; i < h.count; ++i) {
        const std::size_t size = old.record_bytes(i);
        at -= size;
        std::memcpy(bytes_.data() + at, old.bytes_.data() + old.slot(i), size);
        set_slot(i, static_cast<std::uint16_t>(at));
    }
    h.heap_start = static_cast<std::uint16_t>(at);
    h.dead_bytes = 0;
    set_header(h);
}

void DirectoryNode::insert_child(std::size_t index, ChildPointer pointer) {
    check(has_room_for_child(), "a child is inserted into a full node");
    NodeHeader h = header();
    std::byte* at = bytes_.data() + slots_start + index * sizeof(ChildPointer);
    std::memmove(at + sizeof(ChildPointer), at, (h.count - index) * sizeof(ChildPointer));
    std::memcpy(at, &pointer, sizeof pointer);
    ++h.count;
    set_header(h);
}

void DirectoryNode::erase_child(std::size_t index) {
    NodeHeader h = header();
    std::byte* at = bytes_.data() + slots_start + index * sizeof(ChildPointer);
    std::memmove(at, at + sizeof(ChildPointer), (h.count - index - 1) * sizeof(ChildPointer));
    --h.count;
    set_header(h);
}

void DirectoryNode::set_child_key(std::size_t index, std::uint64_t key) {
    put(bytes_, slots_start + index * sizeof(ChildPointer), key);
}

std::uint64_t DirectoryNode::split_to(DirectoryNode& right) {
    if (level() > 0) {
        const std::size_t half = count() / 2;
        for (std::size_t i = half; i < count(); ++i) right.insert_child(right.count(), child(i));
        while (count() > half) erase_child(count() - 1);
        return right.child(0).key;
    }
    const std::size_t target = used_bytes() / 2;
    while (count() > 1 && right.used_bytes() < target) {
        right.insert(entry(count() - 1));
        erase(count() - 1);
    }
    compact();
    return right.entry(0).key;
}

void DirectoryNode::absorb(const DirectoryNodeView& right) {
    for (std::size_t i = 0; i < right.count(); ++i) {
        if (level() > 0) {
            insert_child(count(), right.child(i));
        } else {
            insert(right.entry(i));
        }
    }
}

}  // namespace lockstep::server::fs
