#include "nfs_server/nlm/interval_tree.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "nfs_server/base/check.hpp"

namespace lockstep::server::nlm {

struct IntervalTree::Node {
    HeldLock lock;
    uint64_t priority;  // not below its children's
    Link left;
    Link right;
    // Of the subtree whose root this is:
    uint64_t greatest_last;
    uint64_t only_owner;  // 0: there are several
    bool has_exclusive;

    Node(const HeldLock& held, uint64_t drawn) : lock(held), priority(drawn) { summarise(); }

    void summarise() {
        greatest_last = lock.range.last;
        only_owner = lock.owner;
        has_exclusive = lock.mode == LockMode::exclusive;
        for (const Node* child : {left.get(), right.get()}) {
            if (!child) continue;
            greatest_last = std::max(greatest_last, child->greatest_last);
            has_exclusive = has_exclusive || child->has_exclusive;
            if (child->only_owner != only_owner) only_owner = 0;
        }
    }
};

namespace {

auto key(const HeldLock& lock) {
    return std::tuple(lock.range.first, lock.owner);
}

}  // namespace

IntervalTree::IntervalTree() = default;
IntervalTree::~IntervalTree() = default;
IntervalTree::IntervalTree(IntervalTree&&) noexcept = default;
IntervalTree& IntervalTree::operator=(IntervalTree&&) noexcept = default;

// Xorshift: the priorities need no more than to be independent of the ranges.
uint64_t IntervalTree::next_priority() {
    priority_state_ ^= priority_state_ << 13;
    priority_state_ ^= priority_state_ >> 7;
    priority_state_ ^= priority_state_ << 17;
    return priority_state_;
}

void IntervalTree::split(Link tree, const HeldLock& at, Link& before, Link& from) {
    if (!tree) {
        before.reset();
        from.reset();
        return;
    }
    if (key(tree->lock) < key(at)) {
        Link right = std::move(tree->right);
        split(std::move(right), at, tree->right, from);
        tree->summarise();
        before = std::move(tree);
    } else {
        Link left = std::move(tree->left);
        split(std::move(left), at, before, tree->left);
        tree->summarise();
        from = std::move(tree);
    }
}

IntervalTree::Link IntervalTree::join(Link before, Link after) {
    if (!before) return after;
    if (!after) return before;
    if (before->priority >= after->priority) {
        before->right = join(std::move(before->right), std::move(after));
        before->summarise();
        return before;
    }
    after->left = join(std::move(before), std::move(after->left));
    after->summarise();
    return after;
}

void IntervalTree::insert(const HeldLock& lock) {
    check(lock.owner != 0, "an owner has a number");
    Link before;
    Link from;
    split(std::move(root_), lock, before, from);
    root_ = join(join(std::move(before), std::make_unique<Node>(lock, next_priority())), std::move(from));
}

void IntervalTree::erase(uint64_t owner, uint64_t first_byte) {
    erase(root_, owner, first_byte);
}

void IntervalTree::erase(Link& tree, uint64_t owner, uint64_t first_byte) {
    check(tree != nullptr, "the lock that is erased is there");
    const auto wanted = std::tuple(first_byte, owner);
    if (key(tree->lock) == wanted) {
        Link left = std::move(tree->left);
        Link right = std::move(tree->right);
        tree = join(std::move(left), std::move(right));
        return;
    }
    erase(wanted < key(tree->lock) ? tree->left : tree->right, owner, first_byte);
    tree->summarise();
}

std::optional<HeldLock> IntervalTree::find_conflict(uint64_t owner, const ByteRange& range, LockMode mode) const {
    const Node* found = find(root_.get(), owner, range, mode);
    return found ? std::optional(found->lock) : std::nullopt;
}

const IntervalTree::Node* IntervalTree::find(const Node* tree, uint64_t owner, const ByteRange& range, LockMode mode) {
    if (!tree || tree->greatest_last < range.first || tree->only_owner == owner) return nullptr;
    if (mode == LockMode::shared && !tree->has_exclusive) return nullptr;
    if (const Node* found = find(tree->left.get(), owner, range, mode)) return found;
    if (tree->lock.range.first > range.last) return nullptr;
    if (tree->lock.owner != owner && tree->lock.range.overlaps(range) && !compatible(tree->lock.mode, mode))
        return tree;
    return find(tree->right.get(), owner, range, mode);
}

void IntervalTree::collect(const Node* tree, uint64_t owner, const ByteRange& range, LockMode mode,
                           std::unordered_set<uint64_t>& owners) {
    if (!tree || tree->greatest_last < range.first || tree->only_owner == owner) return;
    if (mode == LockMode::shared && !tree->has_exclusive) return;
    collect(tree->left.get(), owner, range, mode, owners);
    if (tree->lock.range.first > range.last) return;
    if (tree->lock.owner != owner && tree->lock.range.overlaps(range) && !compatible(tree->lock.mode, mode))
        owners.insert(tree->lock.owner);
    collect(tree->right.get(), owner, range, mode, owners);
}

}  // namespace lockstep::server::nlm
