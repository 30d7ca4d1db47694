#include "nfs_server/fs/directory_node.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace lockstep::server::fs {
namespace {

constexpr std::uint64_t owner = 7;

std::map<std::uint64_t, std::string> content(const DirectoryNode& leaf) {
    std::map<std::uint64_t, std::string> result;
    for (std::size_t i = 0; i < leaf.count(); ++i) result[leaf.entry(i).key] = leaf.entry(i).name;
    return result;
}

DirectoryNode full_leaf(std::mt19937& random) {
    DirectoryNode leaf(owner, 0);
    for (;;) {
        const std::string name(1 + random() % 60, 'n');
        if (!leaf.fits(name.size())) return leaf;
        leaf.insert({1000 + leaf.count() * 10, leaf.count() + 3, name});
    }
}

TEST(DirectoryNode, BehavesLikeAMapUntilItIsFull) {
    std::mt19937 random(5);
    DirectoryNode leaf(owner, 0);
    std::map<std::uint64_t, std::string> model;
    for (int step = 0; step < 20'000; ++step) {
        const std::uint64_t key = 256 + random() % 200;
        const std::size_t index = leaf.lower_bound(key);
        const bool there = index < leaf.count() && leaf.entry(index).key == key;
        ASSERT_EQ(there, model.contains(key));
        if (there) {
            leaf.erase(index);
            model.erase(key);
        } else {
            const std::string name(1 + random() % 255, static_cast<char>('a' + key % 26));
            if (!leaf.fits(name.size())) continue;
            leaf.insert({key, 9, name});
            model[key] = name;
        }
        if (step % 100 == 0) {
            ASSERT_EQ(content(leaf), model);
            ASSERT_TRUE(DirectoryNodeView::parse(leaf.finished(), owner));
        }
    }
}

TEST(DirectoryNode, SplittingAndAbsorbingLoseNothing) {
    std::mt19937 random(6);
    for (int round = 0; round < 100; ++round) {
        DirectoryNode left = full_leaf(random);
        const auto before = content(left);
        DirectoryNode right(owner, 0);
        const std::uint64_t separator = left.split_to(right);
        EXPECT_GT(left.count(), 0u);
        EXPECT_LT(left.entry(left.count() - 1).key, separator);
        EXPECT_EQ(right.entry(0).key, separator);
        ASSERT_TRUE(left.view().can_absorb(right.view()));
        left.absorb(right.view());
        EXPECT_EQ(content(left), before);
    }
}

TEST(DirectoryNode, AfterASplitTheLargestNameFitsOnEitherSide) {
    for (const std::size_t length : {1ul, 100ul, 254ul, 255ul}) {
        DirectoryNode left(owner, 0);
        const std::string name(length, 'n');
        while (left.fits(255)) left.insert({256 + left.count(), 3, name});
        DirectoryNode right(owner, 0);
        left.split_to(right);
        EXPECT_TRUE(left.fits(255));
        EXPECT_TRUE(right.fits(255));
    }
}

TEST(DirectoryNode, AnyChangedBitIsNoticed) {
    std::mt19937 random(8);
    DirectoryNode leaf = full_leaf(random);
    const auto sound = leaf.finished();
    for (int round = 0; round < 2000; ++round) {
        std::array<std::byte, block_bytes> damaged;
        std::copy(sound.begin(), sound.end(), damaged.begin());
        const std::size_t bit = random() % (block_bytes * 8);
        damaged[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
        EXPECT_FALSE(DirectoryNodeView::parse(damaged, owner)) << "bit " << bit;
    }
}

TEST(DirectoryNode, ANodeOfAnotherDirectoryIsNoNode) {
    DirectoryNode leaf(owner, 0);
    EXPECT_TRUE(DirectoryNodeView::parse(leaf.finished(), owner));
    EXPECT_FALSE(DirectoryNodeView::parse(leaf.finished(), owner + 1));
}

TEST(DirectoryNode, AChildCoversTheKeysUpToTheNext) {
    DirectoryNode inner(owner, 1);
    inner.insert_child(0, {0, 100});
    inner.insert_child(1, {500, 101});
    inner.insert_child(2, {900, 102});
    EXPECT_EQ(inner.child_index(0), 0u);
    EXPECT_EQ(inner.child_index(499), 0u);
    EXPECT_EQ(inner.child_index(500), 1u);
    EXPECT_EQ(inner.child_index(899), 1u);
    EXPECT_EQ(inner.child_index(~0ul), 2u);
    inner.erase_child(1);
    EXPECT_EQ(inner.child_index(899), 0u);
}

}  // namespace
}  // namespace lockstep::server::fs
