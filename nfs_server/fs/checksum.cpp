#include "nfs_server/fs/checksum.hpp"

#include <array>
#include <cstring>

namespace lockstep::server::fs {
namespace {

constexpr std::uint32_t polynomial_reflected = 0x82f63b78;

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t value = byte;
        for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? polynomial_reflected : 0);
        table[byte] = value;
    }
    return table;
}
constexpr auto table = make_table();

std::uint32_t by_table(std::span<const std::byte> bytes, std::uint32_t crc) {
    for (std::byte byte : bytes) crc = crc >> 8 ^ table[(crc ^ static_cast<std::uint32_t>(byte)) & 0xff];
    return crc;
}

#if defined(__x86_64__)
// The instruction gives a result every cycle but takes three: three lanes keep it busy. A lane's checksum is carried
// past the bytes of the lane behind it by multiplication with a constant, here a table for each byte of the checksum.
constexpr std::size_t lane_bytes = 256;
using CarryTable = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr CarryTable make_carry() {
    CarryTable carry{};
    for (unsigned bit = 0; bit < 32; ++bit) {
        std::uint32_t value = std::uint32_t{1} << bit;
        for (std::size_t byte = 0; byte < lane_bytes; ++byte) value = value >> 8 ^ table[value & 0xff];
        for (unsigned index = 0; index < 256; ++index)
            if ((index >> (bit % 8) & 1) != 0) carry[bit / 8][index] ^= value;
    }
    return carry;
}
constexpr CarryTable carry_past_lane = make_carry();

std::uint64_t carried(std::uint64_t crc) {
    return carry_past_lane[0][crc & 0xff] ^ carry_past_lane[1][crc >> 8 & 0xff] ^ carry_past_lane[2][crc >> 16 & 0xff] ^
           carry_past_lane[3][crc >> 24 & 0xff];
}

std::uint64_t word_at(const std::byte* bytes) {
    std::uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::span<const std::byte> bytes, std::uint32_t crc) {
    std::uint64_t wide = crc;
    for (; bytes.size() >= 3 * lane_bytes; bytes = bytes.subspan(3 * lane_bytes)) {
        std::uint64_t second = 0;
        std::uint64_t third = 0;
        for (std::size_t at = 0; at < lane_bytes; at += 8) {
            wide = __builtin_ia32_crc32di(wide, word_at(bytes.data() + at));
            second = __builtin_ia32_crc32di(second, word_at(bytes.data() + at + lane_bytes));
            third = __builtin_ia32_crc32di(third, word_at(bytes.data() + at + 2 * lane_bytes));
        }
        wide = carried(carried(wide) ^ second) ^ third;
    }
    for (; bytes.size() >= 8; bytes = bytes.subspan(8)) wide = __builtin_ia32_crc32di(wide, word_at(bytes.data()));
    return by_table(bytes, static_cast<std::uint32_t>(wide));
}
#endif

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed) {
#if defined(__x86_64__)
    static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
    if (has_instruction) return ~by_instruction(bytes, ~seed);
#endif
    return ~by_table(bytes, ~seed);
}

}  // namespace lockstep::server::fs
