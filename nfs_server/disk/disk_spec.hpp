// What an operator writes after --disk: `memory:64M`, `file:PATH` or `file:PATH:SIZE`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "nfs_server/disk/disk.hpp"

namespace lockstep::server::disk {

/// A disk that was asked for, understood but not opened.
struct DiskSpec {
    enum class Kind : uint8_t { memory, file };
    Kind kind = Kind::memory;
    std::string path;                    ///< of a file
    std::optional<uint64_t> size_bytes;  ///< a multiple of 4096; always there for memory
};

/// Sizes are bytes with an optional K, M, G or T (powers of 1024). A path may hold colons; only what looks like a size
/// after the last one is taken as a size. Errors: bad_argument, with a message that shows a right one.
[[nodiscard]] Result<DiskSpec, StorageFailure> parse_disk_spec(std::string_view text);

/// Parses and opens. Errors: those of parse_disk_spec and FileDisk::open; nothing was changed on disk then.
[[nodiscard]] Result<std::unique_ptr<Disk>, StorageFailure> open_disk(std::string_view text);

}  // namespace lockstep::server::disk
