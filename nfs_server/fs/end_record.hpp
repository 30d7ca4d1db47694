// How the server last ended, which decides whether its write verifier may be kept: on the disk, beside the superblock.
// Layer: fs.
#pragma once

#include <cstdint>
#include <optional>

#include "nfs_server/fs/error.hpp"
#include "nfs_server/fs/layout.hpp"

namespace lockstep::server::fs {

class FileSystem;

/// True when the record could have been written by this program. Zeros are sound.
bool is_sound(const EndRecord& record);

/// For a server that starts: the write verifier of the last one, if that stopped with everything durable, else nothing.
/// From now on, durably, this server counts as killed until it has stopped, too. Errors: io, log_full, corrupt.
Outcome<std::optional<std::uint64_t>> take_end_record(FileSystem& file_system);

/// For a server that stops, after its last request: writes the record and waits until it is durable, and with it all
/// that was written before. Does nothing where the file system has no place for it. Errors: io, log_full,
/// read_only (damage was found).
Outcome<void> leave_end_record(FileSystem& file_system, std::uint64_t write_verifier);

}  // namespace lockstep::server::fs
