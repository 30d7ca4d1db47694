#include "cli/versions.hpp"

#include <babeltrace2/babeltrace.h>
#include <elf.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>

namespace lockstep::cli {
namespace {

// The part of `bytes`, or nothing where it is not wholly there.
std::string_view part_of(std::string_view bytes, std::uint64_t at, std::uint64_t size) {
    if (at > bytes.size() || size > bytes.size() - at) return {};
    return bytes.substr(at, size);
}

template <class T>
bool read_at(std::string_view bytes, std::uint64_t at, T& value) {
    const auto part = part_of(bytes, at, sizeof value);
    if (part.empty()) return false;
    std::memcpy(&value, part.data(), sizeof value);
    return true;
}

// A note is a header, a name and a value, each padded to four bytes.
std::string build_id_of_notes(std::string_view notes) {
    const auto padded = [](std::uint64_t size) { return (size + 3) & ~std::uint64_t{3}; };
    std::uint64_t at = 0;
    for (Elf64_Nhdr note; read_at(notes, at, note);) {
        const auto name = part_of(notes, at + sizeof note, note.n_namesz);
        const auto value = part_of(notes, at + sizeof note + padded(note.n_namesz), note.n_descsz);
        if (note.n_type == NT_GNU_BUILD_ID && name == std::string_view("GNU", 4)) {
            std::string id;
            for (const char byte : value) id += fmt::format("{:02x}", static_cast<unsigned char>(byte));
            return id;
        }
        at += sizeof note + padded(note.n_namesz) + padded(note.n_descsz);
    }
    return {};
}

}  // namespace

std::string build_id(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    std::string bytes(1 << 20, '\0');  // linkers put the notes at the beginning
    stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(stream.gcount()));
    Elf64_Ehdr header;
    if (!read_at(bytes, 0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return {};
    for (std::uint64_t i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment;
        if (!read_at(bytes, header.e_phoff + i * header.e_phentsize, segment)) return {};
        if (segment.p_type != PT_NOTE) continue;
        if (std::string id = build_id_of_notes(part_of(bytes, segment.p_offset, segment.p_filesz)); !id.empty())
            return id;
    }
    return {};
}

std::string versions_json(const std::vector<std::filesystem::path>& files) {
    utsname system{};
    uname(&system);
    nlohmann::ordered_json builds = nlohmann::ordered_json::object();
    for (const auto& file : files) builds[file.filename().string()] = build_id(file);
    const nlohmann::ordered_json versions{
        {"lockstep", LOCKSTEP_VERSION},
        {"babeltrace2",
         fmt::format("{}.{}.{}", bt_version_get_major(), bt_version_get_minor(), bt_version_get_patch())},
        {"system", fmt::format("{} {} {} {}", system.sysname, system.release, system.version, system.machine)},
        {"builds", builds}};
    return versions.dump(2) + "\n";
}

}  // namespace lockstep::cli
