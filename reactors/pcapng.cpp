#include "reactors/pcapng.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace lockstep::reactors {
namespace {

constexpr std::uint16_t linktype_sll2 = 276;
constexpr std::uint32_t sll2_size = 20;

// A block in the making: type, length, body padded to 32 bits, length again. Numbers in this machine's byte order; the
// section header says which that is.
class Block {
 public:
    explicit Block(std::uint32_t type) { add(type), add(std::uint32_t{0}); }

    template <class Integer>
    void add(Integer value) {
        bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    }
    void add_bytes(const void* data, std::size_t size) {
        bytes_.append(static_cast<const char*>(data), size);
        bytes_.append((4 - size % 4) % 4, '\0');
    }
    void add_time(std::uint64_t time_ns) {
        add(static_cast<std::uint32_t>(time_ns >> 32));
        add(static_cast<std::uint32_t>(time_ns));
    }
    // An option is at most 65535 bytes: a longer text is cut.
    void option(std::uint16_t code, const std::string& value) {
        const std::size_t size = std::min<std::size_t>(value.size(), 65'532);
        add(code), add(static_cast<std::uint16_t>(size));
        add_bytes(value.data(), size);
    }
    template <class Integer>
    void option_number(std::uint16_t code, Integer value) {
        add(code), add(static_cast<std::uint16_t>(sizeof(value)));
        add_bytes(&value, sizeof(value));
    }
    void end_options() { add(std::uint32_t{0}); }

    std::string finish() {
        const auto size = static_cast<std::uint32_t>(bytes_.size() + 4);
        add(size);
        std::memcpy(bytes_.data() + 4, &size, sizeof(size));
        return std::move(bytes_);
    }

 private:
    std::string bytes_;
};

std::string section_header(const std::string& comment) {
    Block block(0x0A0D0D0A);
    block.add(std::uint32_t{0x1A2B3C4D});
    block.add(std::uint16_t{1}), block.add(std::uint16_t{0});
    block.add(~std::uint64_t{0});  // the section's length is not given
    block.option(1, comment);
    block.option(4, "lockstep");
    block.end_options();
    return block.finish();
}

std::string interface_description() {
    Block block(1);
    block.add(linktype_sll2), block.add(std::uint16_t{0}), block.add(std::uint32_t{0});
    block.option(2, "any");
    block.option_number(9, std::uint8_t{9});  // time in 10^-9 s
    block.end_options();
    return block.finish();
}

std::string enhanced_packet(const Packet& packet, const std::string& comment) {
    Block block(6);
    block.add(std::uint32_t{0});
    block.add_time(packet.time_ns);
    block.add(static_cast<std::uint32_t>(packet.bytes.size()));
    block.add(packet.length + sll2_size);
    block.add_bytes(packet.bytes.data(), packet.bytes.size());
    if (!comment.empty()) block.option(1, comment), block.end_options();
    return block.finish();
}

std::string interface_statistics(const PacketCounts& counts, std::uint64_t time_ns) {
    Block block(5);
    block.add(std::uint32_t{0});
    block.add_time(time_ns);
    block.option_number(4, counts.received);
    block.option_number(5, counts.dropped);
    block.end_options();
    return block.finish();
}

}  // namespace

std::array<std::uint8_t, 20> sll2_header(std::uint16_t protocol, int device, std::uint16_t device_type,
                                         std::uint8_t direction, std::uint8_t address_length,
                                         const std::uint8_t* address) {
    std::array<std::uint8_t, 20> header{};
    const std::uint32_t device_number = htonl(static_cast<std::uint32_t>(device));
    const std::uint16_t type = htons(device_type);
    std::memcpy(&header[0], &protocol, 2);
    std::memcpy(&header[4], &device_number, 4);
    std::memcpy(&header[8], &type, 2);
    header[10] = direction;
    header[11] = std::min<std::uint8_t>(address_length, 8);
    std::memcpy(&header[12], address, header[11]);
    return header;
}

std::string to_pcapng(const std::vector<Packet>& packets, const PacketCounts& counts, const std::string& comment,
                      std::uint64_t moment_ns, const std::string& moment_comment) {
    const auto after = std::ranges::find_if(packets, [&](const Packet& packet) { return packet.time_ns > moment_ns; });
    std::string file = section_header(comment) + interface_description();
    for (auto packet = packets.begin(); packet != packets.end(); ++packet)
        file += enhanced_packet(*packet, packet + 1 == after ? moment_comment : "");
    return file + interface_statistics(counts, packets.empty() ? moment_ns : packets.back().time_ns);
}

}  // namespace lockstep::reactors
