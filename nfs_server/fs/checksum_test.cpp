#include "nfs_server/fs/checksum.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace lockstep::server::fs {
namespace {

std::vector<std::byte> filled(std::size_t size_bytes, auto byte_at) {
    std::vector<std::byte> bytes(size_bytes);
    for (std::size_t at = 0; at < size_bytes; ++at) bytes[at] = static_cast<std::byte>(byte_at(at));
    return bytes;
}

// Source: RFC 3720 appendix B.4.
TEST(Checksum, GivesTheVectorsOfTheRfc) {
    EXPECT_EQ(crc32c(filled(32, [](std::size_t) { return 0; })), 0x8a9136aau);
    EXPECT_EQ(crc32c(filled(32, [](std::size_t) { return 0xff; })), 0x62a8ab43u);
    EXPECT_EQ(crc32c(filled(32, [](std::size_t at) { return at; })), 0x46dd794eu);
    EXPECT_EQ(crc32c(filled(32, [](std::size_t at) { return 31 - at; })), 0x113fdb5cu);
    EXPECT_EQ(crc32c({}), 0u);
}

// Byte by byte there are no lanes and no instruction.
TEST(Checksum, IsTheSameForEveryLengthAsByteByByte) {
    std::mt19937 random(1);
    const auto bytes = filled(5000, [&](std::size_t) { return random() & 0xff; });
    std::uint32_t expected = 0;
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        ASSERT_EQ(crc32c(std::span(bytes).first(length)), expected) << length;
        expected = crc32c(std::span(bytes).subspan(length, 1), expected);
    }
}

TEST(Checksum, GoesOnFromAnEarlierOne) {
    std::mt19937 random(2);
    const auto bytes = filled(4096, [&](std::size_t) { return random() & 0xff; });
    const std::uint32_t whole = crc32c(bytes);
    for (const std::size_t cut :
         {std::size_t{1}, std::size_t{767}, std::size_t{768}, std::size_t{1000}, std::size_t{4095}})
        EXPECT_EQ(crc32c(std::span(bytes).subspan(cut), crc32c(std::span(bytes).first(cut))), whole) << cut;
}

}  // namespace
}  // namespace lockstep::server::fs
