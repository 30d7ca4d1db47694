// Whether a device is blank: nothing on it could be lost by formatting it.
#pragma once

#include "nfs_server/disk/disk.hpp"

namespace lockstep::server::disk {

/// What is read, at most, to see that a device is blank; holes of a sparse file cost nothing.
inline constexpr uint64_t blank_search_limit_blocks = uint64_t{16} << 18;  // 16 GiB

/// Sees that every byte of the device is zero; changes nothing. Errors: unknown_format (there is something, and the
/// message says at which byte), too_large (more than limit_blocks would have to be read, all zeros so far), io.
[[nodiscard]] Result<void, StorageFailure> expect_blank(Disk& disk, uint64_t limit_blocks = blank_search_limit_blocks);

}  // namespace lockstep::server::disk
