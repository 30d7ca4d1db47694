#include "nfs_server/fs/directory.hpp"

#include <sodium.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "nfs_server/base/check.hpp"

namespace lockstep::server::fs {
namespace {

constexpr unsigned disambiguation_bits = 8;
constexpr std::uint64_t disambiguation_mask = (std::uint64_t{1} << disambiguation_bits) - 1;

// A node of the tree: read where it lies in memory, copied when it is changed.
class LoadedNode {
 public:
    // `content` is a sound node.
    LoadedNode(std::uint64_t block, BlockBuffer content) : block_(block), content_(std::move(content)) {}
    std::uint64_t block() const { return block_; }
    const BlockBuffer& content() const { return content_; }
    DirectoryNodeView node() const {
        return changed_ ? changed_->view() : DirectoryNodeView::of_sound(content_.span());
    }
    DirectoryNode& change() {
        if (!changed_) changed_ = std::make_unique<DirectoryNode>(node());
        return *changed_;
    }

    std::size_t child = 0;  // inner nodes: which child the descent took

 private:
    std::uint64_t block_;
    BlockBuffer content_;  // what the transaction has for the block
    std::unique_ptr<DirectoryNode> changed_;
};
using Path = std::vector<LoadedNode>;  // from the root to a leaf

// Content that comes from the disk, or has been changed, is checked when it is first met; the block remembers for which
// directory it was found sound.
Outcome<LoadedNode> load_node(Operation& op, const Inode& directory, std::uint64_t block, unsigned level) {
    op.count_node();
    LOCKSTEP_TRY(BlockBuffer content, op.read_block(block));
    if (content.checked_as() != directory.number()) {
        if (!DirectoryNodeView::parse(content.span(), directory.number())) return fail(Error(Error::corrupt));
        content.set_checked_as(directory.number());
    }
    LoadedNode loaded(block, std::move(content));
    if (loaded.node().level() != level) return fail(Error(Error::corrupt));
    return loaded;
}

// Logs only the stretches that differ from what the transaction has for this block, to 32 bytes exactly. Once for each
// node that was loaded.
Outcome<void> store_node(Operation& op, const Inode& directory, LoadedNode& loaded) {
    constexpr std::size_t piece = 32;
    constexpr std::size_t long_piece = 512;  // most of a node stays as it was, and is passed over quickly
    const std::byte* old_bytes = loaded.content().data();
    const auto new_bytes = loaded.change().finished();
    auto differs = [&](std::size_t at) { return std::memcmp(old_bytes + at, new_bytes.data() + at, piece) != 0; };
    for (std::size_t at = 0; at < block_bytes; at += piece) {
        if (at % long_piece == 0 && std::memcmp(old_bytes + at, new_bytes.data() + at, long_piece) == 0) {
            at += long_piece - piece;
            continue;
        }
        if (!differs(at)) continue;
        std::size_t end = at + piece;
        while (end < block_bytes && differs(end)) end += piece;
        LOCKSTEP_TRY(
            op.write(directory, loaded.block(), static_cast<std::uint32_t>(at), new_bytes.subspan(at, end - at)));
        at = end;
    }
    return {};
}

Outcome<std::uint64_t> store_new_node(Operation& op, Inode& directory, DirectoryNode& node) {
    LOCKSTEP_TRY(const std::uint64_t block, op.allocate_block(directory));
    directory.change().size += block_bytes;
    LOCKSTEP_TRY(op.write_block(directory, block, BlockBuffer::copy_of(node.finished())));
    return block;
}

Outcome<void> drop_node(Operation& op, Inode& directory, std::uint64_t block) {
    directory.change().size -= block_bytes;
    return op.free_block(directory, block);
}

bool is_empty(const Inode& directory) {
    return directory.slot(0) == 0;
}

// The path to the leaf that covers `key`. Precondition: not empty.
Outcome<Path> descend(Operation& op, const Inode& directory, std::uint64_t key) {
    Path path;
    path.reserve(directory->height + 1u);
    std::uint64_t block = directory.slot(0);
    for (unsigned level = directory->height;; --level) {
        LOCKSTEP_TRY(LoadedNode loaded, load_node(op, directory, block, level));
        LoadedNode& last = path.emplace_back(std::move(loaded));
        if (level == 0) return path;
        last.child = last.node().child_index(key);
        block = last.node().child(last.child).block;
    }
}

struct Leaf {
    LoadedNode loaded;
    std::optional<std::uint64_t> end;  // the first key that it does not cover; nothing at the right end of the tree
};

// The leaf that covers `key`, for reading. Precondition: not empty.
Outcome<Leaf> find_leaf(Operation& op, const Inode& directory, std::uint64_t key) {
    std::optional<std::uint64_t> end;
    std::uint64_t block = directory.slot(0);
    for (unsigned level = directory->height;; --level) {
        LOCKSTEP_TRY(LoadedNode loaded, load_node(op, directory, block, level));
        if (level == 0) return Leaf{std::move(loaded), end};
        const DirectoryNodeView node = loaded.node();
        const std::size_t child = node.child_index(key);
        if (child + 1 < node.count()) end = node.child(child + 1).key;
        block = node.child(child).block;
    }
}

// As list_entries, from the key `from` on.
template <class Visit>
Outcome<bool> visit_entries(Operation& op, const Inode& directory, std::uint64_t from, Visit&& visit) {
    if (is_empty(directory)) return true;
    for (;;) {
        LOCKSTEP_TRY(const Leaf leaf, find_leaf(op, directory, from));
        const DirectoryNodeView node = leaf.loaded.node();
        for (std::size_t i = node.lower_bound(from); i < node.count(); ++i)
            if (!visit(node.entry(i))) return false;
        if (!leaf.end) return true;
        if (*leaf.end <= from) return fail(Error(Error::corrupt));
        from = *leaf.end;
    }
}

// The lowest key for a name that is not there; of names with the same hash there may be 256. Errors: no_space, too.
Outcome<std::uint64_t> free_key(Operation& op, const Inode& directory, std::string_view name) {
    const std::uint64_t hash = key_of_name(op.volume().superblock, name);
    std::uint64_t key = hash;
    LOCKSTEP_TRY(visit_entries(op, directory, hash, [&](const DirectoryEntry& entry) {
        if (entry.key > (hash | disambiguation_mask)) return false;
        check(entry.name != name, "a name is inserted that is there already");
        if (entry.key == key) ++key;
        return true;
    }));
    if (key > (hash | disambiguation_mask)) return fail(Error(Error::no_space));
    return key;
}

// --- Insertion -------------------------------------------------------------------------------------------------------

Outcome<void> add_root(Operation& op, Inode& directory, ChildPointer right) {
    DirectoryNode root(directory.number(), directory->height + 1u);
    root.insert_child(0, {0, directory.slot(0)});
    root.insert_child(1, right);
    LOCKSTEP_TRY(const std::uint64_t block, store_new_node(op, directory, root));
    directory.set_slot(0, block);
    ++directory.change().height;
    return {};
}

// Makes `pointer` known to the inner node at `depth` of the path, right of the child that the path took.
Outcome<void> insert_into_parent(Operation& op, Inode& directory, Path& path, std::size_t depth, ChildPointer pointer) {
    for (;; --depth) {
        LoadedNode& parent = path[depth];
        if (parent.node().has_room_for_child()) {
            parent.change().insert_child(parent.child + 1, pointer);
            return store_node(op, directory, parent);
        }
        DirectoryNode right(directory.number(), parent.node().level());
        const std::uint64_t separator = parent.change().split_to(right);
        DirectoryNode& target = pointer.key >= separator ? right : parent.change();
        target.insert_child(target.child_index(pointer.key) + 1, pointer);
        LOCKSTEP_TRY(store_node(op, directory, parent));
        LOCKSTEP_TRY(const std::uint64_t block, store_new_node(op, directory, right));
        pointer = {separator, block};
        if (depth == 0) return add_root(op, directory, pointer);
    }
}

Outcome<void> split_and_insert(Operation& op, Inode& directory, Path& path, const DirectoryEntry& entry) {
    LoadedNode& leaf = path.back();
    DirectoryNode right(directory.number(), 0);
    const std::uint64_t separator = leaf.change().split_to(right);
    (entry.key >= separator ? right : leaf.change()).insert(entry);
    LOCKSTEP_TRY(store_node(op, directory, leaf));
    LOCKSTEP_TRY(const std::uint64_t block, store_new_node(op, directory, right));
    if (path.size() == 1) return add_root(op, directory, {separator, block});
    return insert_into_parent(op, directory, path, path.size() - 2, {separator, block});
}

Outcome<void> insert_first(Operation& op, Inode& directory, const DirectoryEntry& entry) {
    DirectoryNode leaf(directory.number(), 0);
    leaf.insert(entry);
    LOCKSTEP_TRY(const std::uint64_t block, store_new_node(op, directory, leaf));
    directory.set_slot(0, block);
    directory.change().height = 0;
    return {};
}

// --- Removal ---------------------------------------------------------------------------------------------------------

// Takes the node at `depth` out of the tree: it has become empty or its content has moved.
Outcome<void> remove_from_parent(Operation& op, Inode& directory, Path& path, std::size_t depth);

// A root with one child is not needed.
Outcome<void> lower_root(Operation& op, Inode& directory, LoadedNode& root) {
    directory.set_slot(0, root.node().child(0).block);
    --directory.change().height;
    return drop_node(op, directory, root.block());
}

// After the node at `depth` lost an entry: joins it with its right or left neighbour when both fit in one block.
Outcome<void> join_if_small(Operation& op, Inode& directory, Path& path, std::size_t depth) {
    LoadedNode& node = path[depth];
    const unsigned level = node.node().level();
    const bool small = level > 0 ? node.node().count() < DirectoryNode::max_children / 4
                                 : node.node().used_bytes() < DirectoryNode::room_bytes / 4;
    if (depth == 0 || !small) return store_node(op, directory, node);
    LoadedNode& parent = path[depth - 1];
    const bool has_right = parent.child + 1 < parent.node().count();
    if (!has_right && parent.child == 0) return store_node(op, directory, node);
    const std::size_t left_index = has_right ? parent.child : parent.child - 1;
    const std::uint64_t other_block = parent.node().child(has_right ? left_index + 1 : left_index).block;
    LOCKSTEP_TRY(LoadedNode neighbour, load_node(op, directory, other_block, level));
    LoadedNode& left = has_right ? node : neighbour;
    LoadedNode& right = has_right ? neighbour : node;
    if (!left.node().can_absorb(right.node())) return store_node(op, directory, node);
    left.change().absorb(right.node());
    LOCKSTEP_TRY(store_node(op, directory, left));
    LOCKSTEP_TRY(drop_node(op, directory, right.block()));
    parent.child = left_index + 1;
    return remove_from_parent(op, directory, path, depth - 1);
}

// Erases the child that the node at `depth` points its path to; that child is already dropped.
Outcome<void> remove_from_parent(Operation& op, Inode& directory, Path& path, std::size_t depth) {
    LoadedNode& parent = path[depth];
    DirectoryNode& node = parent.change();
    const std::uint64_t first_key = node.child(0).key;
    node.erase_child(parent.child);
    check(node.count() > 0, "an inner node of a directory has lost its last child");
    node.set_child_key(0, first_key);  // whoever is first now covers from the same key on
    if (depth == 0 && node.count() == 1) return lower_root(op, directory, parent);
    return join_if_small(op, directory, path, depth);
}

Outcome<void> drop_empty_leaf(Operation& op, Inode& directory, Path& path) {
    LOCKSTEP_TRY(drop_node(op, directory, path.back().block()));
    // Inner nodes that lose their only child go with it.
    std::size_t depth = path.size() - 1;
    while (depth > 0 && path[depth - 1].node().count() == 1) {
        --depth;
        LOCKSTEP_TRY(drop_node(op, directory, path[depth].block()));
    }
    if (depth > 0) return remove_from_parent(op, directory, path, depth - 1);
    directory.set_slot(0, 0);
    directory.change().height = 0;
    return {};
}

Outcome<std::size_t> index_of(const LoadedNode& leaf, std::uint64_t key) {
    const DirectoryNodeView node = leaf.node();
    const std::size_t index = node.lower_bound(key);
    if (index == node.count() || node.entry(index).key != key) return fail(Error(Error::corrupt));
    return index;
}

}  // namespace

std::uint64_t key_of_name(const Superblock& superblock, std::string_view name) {
    std::uint64_t hash = 0;
    static_assert(crypto_shorthash_BYTES == sizeof hash);
    crypto_shorthash(reinterpret_cast<unsigned char*>(&hash), reinterpret_cast<const unsigned char*>(name.data()),
                     name.size(), superblock.name_key.data());
    const std::uint64_t cut = hash >> (64 - superblock.name_hash_bits);
    const std::uint64_t key = cut << (63 - superblock.name_hash_bits);
    return std::max(key, first_entry_key);
}

Outcome<std::optional<FoundEntry>> find_entry(Operation& op, const Inode& directory, std::string_view name) {
    const std::uint64_t hash = key_of_name(op.volume().superblock, name);
    std::optional<FoundEntry> match;
    LOCKSTEP_TRY(visit_entries(op, directory, hash, [&](const DirectoryEntry& entry) {
        if (entry.key > (hash | disambiguation_mask)) return false;
        if (entry.name == name) match = FoundEntry{entry.key, entry.inode};
        return !match.has_value();
    }));
    return match;
}

Outcome<void> insert_entry(Operation& op, Inode& directory, std::string_view name, std::uint64_t inode) {
    LOCKSTEP_TRY(const std::uint64_t key, free_key(op, directory, name));
    const DirectoryEntry entry{key, inode, name};
    ++directory.change().entries;
    if (is_empty(directory)) return insert_first(op, directory, entry);
    LOCKSTEP_TRY(Path path, descend(op, directory, key));
    if (!path.back().node().fits(name.size())) return split_and_insert(op, directory, path, entry);
    path.back().change().insert(entry);
    return store_node(op, directory, path.back());
}

Outcome<void> erase_entry(Operation& op, Inode& directory, const FoundEntry& entry) {
    if (is_empty(directory)) return fail(Error(Error::corrupt));
    LOCKSTEP_TRY(Path path, descend(op, directory, entry.key));
    LOCKSTEP_TRY(const std::size_t index, index_of(path.back(), entry.key));
    path.back().change().erase(index);
    --directory.change().entries;
    if (path.back().node().count() == 0) return drop_empty_leaf(op, directory, path);
    return join_if_small(op, directory, path, path.size() - 1);
}

Outcome<void> replace_entry(Operation& op, Inode& directory, const FoundEntry& entry, std::uint64_t inode) {
    if (is_empty(directory)) return fail(Error(Error::corrupt));
    LOCKSTEP_TRY(Path path, descend(op, directory, entry.key));
    LOCKSTEP_TRY(const std::size_t index, index_of(path.back(), entry.key));
    path.back().change().set_inode(index, inode);
    return store_node(op, directory, path.back());
}

Outcome<bool> list_entries(Operation& op, const Inode& directory, std::uint64_t after,
                           const std::function<bool(const DirectoryEntry&)>& visit) {
    if (after == ~std::uint64_t{0}) return true;  // a cookie that was never given: behind it there is nothing
    return visit_entries(op, directory, after + 1, visit);
}

}  // namespace lockstep::server::fs
