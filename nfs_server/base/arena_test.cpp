#include "nfs_server/base/arena.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>

namespace lockstep::server {
namespace {

TEST(Arena, PiecesDoNotOverlapAndKeepTheirContent) {
    std::mt19937_64 random(1);
    Arena arena(256);
    std::vector<std::pair<std::span<std::byte>, std::byte>> pieces;
    for (int i = 0; i < 2000; ++i) {
        const auto piece = arena.bytes(random() % (i % 50 == 0 ? 20000 : 100));
        const auto mark = static_cast<std::byte>(i);
        std::ranges::fill(piece, mark);
        pieces.emplace_back(piece, mark);
    }
    for (const auto& [piece, mark] : pieces)
        for (const std::byte byte : piece) ASSERT_EQ(byte, mark);
}

TEST(Arena, PiecesAreAligned) {
    Arena arena(128);
    for (int i = 0; i < 100; ++i) {
        arena.allocate(1, 1);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(arena.make<uint64_t>()) % alignof(uint64_t), 0u);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(arena.bytes(3).data()) % 16, 0u);
    }
}

TEST(Arena, PiecesSurviveAMove) {
    Arena arena;
    const auto text = arena.copy("kept");
    const Arena moved = std::move(arena);
    EXPECT_EQ(text, "kept");
    EXPECT_GT(moved.held_bytes(), 0u);
}

TEST(Arena, ResetKeepsMemoryBounded) {
    Arena arena(1024);
    for (int round = 0; round < 100; ++round) {
        for (int i = 0; i < 100; ++i) arena.bytes(700);
        arena.bytes(1 << 20);
        arena.reset();
    }
    EXPECT_LE(arena.held_bytes(), size_t{256} << 10);
}

TEST(Arena, MadeValuesAreInitialised) {
    struct Pair {
        int a;
        int b;
    };
    Arena arena;
    EXPECT_EQ(arena.make<Pair>(1, 2)->b, 2);
    for (const int value : arena.make_array<int>(100)) EXPECT_EQ(value, 0);
}

#ifdef LOCKSTEP_ADDRESS_SANITIZER
TEST(Arena, TheSanitizerSeesUseBehindAPieceAndAfterAReset) {
    Arena arena(4096);
    const auto* const piece = static_cast<const char*>(arena.allocate(24));
    const auto is_forbidden = [&](size_t at) { return __asan_address_is_poisoned(piece + at) != 0; };
    EXPECT_FALSE(is_forbidden(23));
    EXPECT_TRUE(is_forbidden(24));
    arena.reset();
    EXPECT_TRUE(is_forbidden(0));
    ASSERT_EQ(arena.allocate(8), piece);
    EXPECT_FALSE(is_forbidden(7));
    EXPECT_TRUE(is_forbidden(8));
}
#endif

}  // namespace
}  // namespace lockstep::server
