#include "nfs_server/fs/file_handle.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace lockstep::server::fs {
namespace {

constexpr std::array<std::uint8_t, 16> key{1, 2, 3};
constexpr FileIdentity file{77, 5};

TEST(FileHandle, SaysWhatItWasMadeOf) {
    const HandleCodec codec(42, key);
    const auto decoded = codec.decode(codec.encode(file, 9));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->file, file);
    EXPECT_EQ(decoded->export_number, 9u);
}

TEST(FileHandle, AnyChangedBitIsRefused) {
    const HandleCodec codec(42, key);
    for (std::size_t bit = 0; bit < file_handle_bytes * 8; ++bit) {
        FileHandle forged = codec.encode(file);
        forged[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
        const auto decoded = codec.decode(forged);
        ASSERT_FALSE(decoded) << "bit " << bit;
        const bool names_other_file_system = bit / 8 >= 8 && bit / 8 < 16;
        EXPECT_EQ(decoded.error(), names_other_file_system ? Error::stale : Error::bad_handle) << "bit " << bit;
    }
}

TEST(FileHandle, AnyOtherLengthIsRefused) {
    const HandleCodec codec(42, key);
    const FileHandle handle = codec.encode(file);
    std::vector<std::byte> bytes(handle.begin(), handle.end());
    bytes.resize(64);
    for (std::size_t length = 0; length <= 64; ++length) {
        if (length == file_handle_bytes) continue;
        const auto decoded = codec.decode(std::span(bytes).first(length));
        ASSERT_FALSE(decoded);
        EXPECT_EQ(decoded.error(), Error::bad_handle) << length;
    }
}

TEST(FileHandle, AHandleMadeWithAnotherKeyIsRefused) {
    const HandleCodec codec(42, key);
    const HandleCodec forger(42, {9, 9, 9});
    EXPECT_EQ(codec.decode(forger.encode(file)).error(), Error::bad_handle);
}

TEST(FileHandle, AHandleOfAnotherFileSystemIsStale) {
    const HandleCodec codec(42, key);
    const HandleCodec other(43, key);
    EXPECT_EQ(codec.decode(other.encode(file)).error(), Error::stale);
}

}  // namespace
}  // namespace lockstep::server::fs
