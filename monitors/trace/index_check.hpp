// What the indexes that LTTng writes beside its streams tell of packets that are not there: a stream that was cut off
// between two packets reads to its end without an error.
//
//   index/STREAM.idx: magic C1F1DCC1, major, minor, entry size (4 bytes each, big-endian), then entries that begin with
//   the packet's offset in bytes and its size in bits (8 bytes each).   Source: LTTng-tools 2.13, ctf-index.h.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lockstep::monitors {

// One sentence for each stream file, in `directory` or below, that is shorter than its index says or gone. Streams
// without an index, and indexes that make no sense, say nothing.
std::vector<std::string> streams_cut_off(const std::filesystem::path& directory);

}  // namespace lockstep::monitors
