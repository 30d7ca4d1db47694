// Shows what an image holds: the log's superblocks, its groups and records, the file system's superblock, the inodes in
// use. The keys that make file handles unforgeable are left out. Layer: image.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "nfs_server/disk/disk.hpp"

namespace lockstep::server::image {

/// As much as can be read; what can't is said under "problems", a sentence each. The log is shown as it lies on the
/// disk, then replayed onto `disk` (see fsck()): the rest is as after recovery.
nlohmann::ordered_json dump(disk::Disk& disk);

/// The same for people, a line a thing.
std::string to_text(const nlohmann::ordered_json& dump);

}  // namespace lockstep::server::image
