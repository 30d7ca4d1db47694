// fsck: replays the log and checks every invariant. Layer: image.
#pragma once

#include <string>
#include <vector>

#include "nfs_server/disk/disk.hpp"
#include "nfs_server/fs/check.hpp"
#include "nfs_server/journal/journal.hpp"

namespace lockstep::server::image {

/// What became of a check.
struct FsckResult {
    enum class Verdict : uint8_t {
        clean,
        damaged,    ///< `problems` says what
        could_not,  ///< no file system of ours, one of a later version, or an error of the device: `problems` says
                    ///< which
    };
    Verdict verdict = Verdict::clean;
    std::vector<std::string> problems;  ///< a sentence each
    bool truncated = false;             ///< there were more
    journal::Recovery replayed;         ///< what the log held
    fs::CheckReport report;
};

/// Replays the log onto `disk`, which nobody else uses, then only reads. Give it a disk that keeps writes to itself
/// (ImageFile): then nothing is changed.
FsckResult fsck(disk::Disk& disk, std::size_t max_problems = 100);

}  // namespace lockstep::server::image
