#include "monitors/trace/index_check.hpp"

#include <endian.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <system_error>

namespace lockstep::monitors {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t index_magic = 0xC1F1DCC1;
constexpr std::uint32_t smallest_entry = 16, largest_entry = 4096;

template <class Integer>
Integer read_number(std::istream& stream) {
    Integer value{};
    stream.read(reinterpret_cast<char*>(&value), sizeof value);
    if constexpr (sizeof value == 4)
        return be32toh(value);
    else
        return be64toh(value);
}

// The bytes that the stream must have; 0 when the index makes no sense or is empty.
std::uint64_t indexed_bytes(const fs::path& index) {
    std::ifstream stream(index, std::ios::binary);
    if (read_number<std::uint32_t>(stream) != index_magic) return 0;
    read_number<std::uint32_t>(stream), read_number<std::uint32_t>(stream);
    const auto entry_size = read_number<std::uint32_t>(stream);
    if (!stream || entry_size < smallest_entry || entry_size > largest_entry) return 0;
    std::uint64_t bytes = 0;
    for (std::string rest(entry_size - smallest_entry, '\0');;) {
        const auto offset = read_number<std::uint64_t>(stream);
        const auto bits = read_number<std::uint64_t>(stream);
        if (!stream.read(rest.data(), static_cast<std::streamsize>(rest.size()))) return bytes;
        bytes = std::max(bytes, offset + bits / 8);
    }
}

}  // namespace

std::vector<std::string> streams_cut_off(const fs::path& directory) {
    std::vector<std::string> problems;
    std::error_code error;
    for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        const fs::path& index = entry->path();
        if (index.extension() != ".idx" || index.parent_path().filename() != "index") continue;
        const fs::path stream = index.parent_path().parent_path() / index.stem();
        const std::uint64_t wanted = indexed_bytes(index);
        std::error_code missing;
        const std::uint64_t there = fs::file_size(stream, missing);
        if (missing ? wanted > 0 : there < wanted)
            problems.push_back(stream.string() + ": cut off: its index tells of " + std::to_string(wanted) +
                               " bytes, there are " + std::to_string(missing ? 0 : there));
    }
    std::ranges::sort(problems);
    return problems;
}

}  // namespace lockstep::monitors
