#include "monitors/trace/metadata_check.hpp"

#include <byteswap.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>

namespace lockstep::monitors {
namespace {

// CTF 1.8.3, 7.1: magic (4 bytes), uuid (16), checksum (4), content size in bits (4), packet size in bits (4), and five
// bytes of schemes and versions.
constexpr std::uint32_t packet_magic = 0x75D11D57;
constexpr std::uint64_t header_bytes = 37;

std::uint32_t number_at(const char* place, bool swapped) {
    std::uint32_t number = 0;
    std::memcpy(&number, place, sizeof number);
    return swapped ? bswap_32(number) : number;
}

}  // namespace

std::optional<std::string> metadata_problem(const std::filesystem::path& metadata) {
    std::ifstream stream(metadata, std::ios::binary);
    stream.seekg(0, std::ios::end);
    const auto size = static_cast<std::uint64_t>(std::max<std::streamoff>(stream.tellg(), 0));
    bool in_packets = false, swapped = false;
    for (std::uint64_t at = 0; at < size;) {
        const std::string place = metadata.string() + ": the packet at byte " + std::to_string(at);
        char header[header_bytes] = {};
        stream.seekg(static_cast<std::streamoff>(at));
        stream.read(header, sizeof header);
        if (!in_packets) {
            swapped = number_at(header, true) == packet_magic;
            if (!swapped && number_at(header, false) != packet_magic) return std::nullopt;
            in_packets = true;
        }
        if (!stream) return place + " is cut off";
        if (number_at(header, swapped) != packet_magic) return place + " is no packet";
        const std::uint64_t content = number_at(header + 24, swapped) / 8;
        const std::uint64_t packet = number_at(header + 28, swapped) / 8;
        if (content < header_bytes || packet < content) return place + " has sizes that make no sense";
        if (packet > size - at) return place + " is cut off";
        at += packet;
    }
    return std::nullopt;
}

}  // namespace lockstep::monitors
