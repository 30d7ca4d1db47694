// What the server itself must remember, in a file that no name leads to. Layer: fs.
#pragma once

#include <string>

#include "nfs_server/fs/file_system.hpp"

namespace lockstep::server::fs {

/// What was written last; empty when nothing ever was. Errors: io, corrupt.
Outcome<std::string> read_service_file(FileSystem& file_system);

/// Replaces all of it by `text`, in one transaction that is durable when this returns. Errors: no_space, io, log_full,
/// corrupt.
Outcome<void> write_service_file(FileSystem& file_system, const std::string& text);

}  // namespace lockstep::server::fs
