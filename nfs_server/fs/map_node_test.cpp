#include "nfs_server/fs/map_node.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace lockstep::server::fs {
namespace {

constexpr std::uint64_t owner = 77;

Pointers some_pointers() {
    Pointers pointers{};
    for (std::size_t i = 0; i < pointers.size(); i += 3) pointers[i] = (std::uint64_t{1} << 48) - 1 - i;
    return pointers;
}

std::span<const std::byte> block_of(const Pointers& stored) {
    return std::as_bytes(std::span(stored));
}

TEST(MapNode, GivesBackThePointersThatItWasSealedWith) {
    const Pointers stored = sealed(some_pointers(), owner);
    EXPECT_TRUE(is_sound_map_node(block_of(stored), owner));
    EXPECT_EQ(pointers_of(block_of(stored)), some_pointers());
}

TEST(MapNode, AnyChangedBitIsNoticed) {
    const Pointers stored = sealed(some_pointers(), owner);
    for (std::size_t bit = 0; bit < stored.size() * 64; ++bit) {
        Pointers damaged = stored;
        damaged[bit / 64] ^= std::uint64_t{1} << bit % 64;
        ASSERT_FALSE(is_sound_map_node(block_of(damaged), owner)) << "bit " << bit;
    }
}

TEST(MapNode, ABlockOfZerosIsNotSound) {
    EXPECT_FALSE(is_sound_map_node(block_of(Pointers{}), owner));
    EXPECT_TRUE(is_sound_map_node(block_of(sealed({}, owner)), owner)) << "holes only";
}

TEST(MapNode, OfAnotherFileIsNotSound) {
    EXPECT_FALSE(is_sound_map_node(block_of(sealed(some_pointers(), owner)), owner + 1));
}

}  // namespace
}  // namespace lockstep::server::fs
