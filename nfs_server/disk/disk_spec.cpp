#include "nfs_server/disk/disk_spec.hpp"

#include <charconv>

#include "nfs_server/disk/file_disk.hpp"
#include "nfs_server/disk/memory_disk.hpp"

namespace lockstep::server::disk {
namespace {

constexpr uint64_t size_limit_bytes = uint64_t{1} << 56;

tl::unexpected<StorageFailure> bad(std::string_view text, std::string_view why) {
    return fail(StorageFailure{StorageError::bad_argument, "disk \"" + std::string(text) + "\": " + std::string(why) +
                                                               " (for example memory:64M, file:/srv/lockstep.img:1G)"});
}

std::optional<int> shift_of_suffix(std::string_view suffix) {
    if (suffix.empty()) return 0;
    if (suffix == "K") return 10;
    if (suffix == "M") return 20;
    if (suffix == "G") return 30;
    if (suffix == "T") return 40;
    return std::nullopt;
}

// "64M" → 67108864. Empty when it isn't a size at all.
std::optional<uint64_t> parse_size(std::string_view text) {
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return std::nullopt;
    const auto shift = shift_of_suffix(text.substr(static_cast<size_t>(end - text.data())));
    if (!shift || number > (size_limit_bytes >> *shift)) return std::nullopt;
    return number << *shift;
}

Result<void, StorageFailure> check_size(std::string_view text, uint64_t size_bytes) {
    if (size_bytes == 0 || size_bytes % block_size_bytes != 0)
        return bad(text, "the size must be a multiple of 4096 bytes, and not 0");
    return {};
}

Result<DiskSpec, StorageFailure> parse_memory(std::string_view text, std::string_view size) {
    const auto size_bytes = parse_size(size);
    if (!size_bytes) return bad(text, "not a size");
    LOCKSTEP_TRY(check_size(text, *size_bytes));
    return DiskSpec{DiskSpec::Kind::memory, {}, size_bytes};
}

Result<DiskSpec, StorageFailure> parse_file(std::string_view text, std::string_view rest) {
    std::string_view path = rest;
    std::optional<uint64_t> size_bytes;
    if (const size_t colon = rest.rfind(':'); colon != std::string_view::npos) {
        size_bytes = parse_size(rest.substr(colon + 1));
        if (size_bytes) path = rest.substr(0, colon);
    }
    if (path.empty()) return bad(text, "no path");
    if (size_bytes) LOCKSTEP_TRY(check_size(text, *size_bytes));
    return DiskSpec{DiskSpec::Kind::file, std::string(path), size_bytes};
}

}  // namespace

Result<DiskSpec, StorageFailure> parse_disk_spec(std::string_view text) {
    if (text.starts_with("memory:")) return parse_memory(text, text.substr(7));
    if (text.starts_with("file:")) return parse_file(text, text.substr(5));
    return bad(text, "neither memory:SIZE nor file:PATH[:SIZE]");
}

Result<std::unique_ptr<Disk>, StorageFailure> open_disk(std::string_view text) {
    LOCKSTEP_TRY(const DiskSpec spec, parse_disk_spec(text));
    if (spec.kind == DiskSpec::Kind::memory)
        return std::unique_ptr<Disk>(std::make_unique<MemoryDisk>(*spec.size_bytes / block_size_bytes));
    LOCKSTEP_TRY(std::unique_ptr<FileDisk> file, FileDisk::open(spec.path, spec.size_bytes));
    return std::unique_ptr<Disk>(std::move(file));
}

}  // namespace lockstep::server::disk
