// Whether a CTF trace's metadata can be given to libbabeltrace2, which reads a packet that is cut off for ever
// (2.0.4: metadata/decoder, no end of file inside a packet).
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace lockstep::monitors {

// What is wrong with the packets of the file `metadata`, in words; nothing when each is there as a whole, or when the
// metadata is plain text.
std::optional<std::string> metadata_problem(const std::filesystem::path& metadata);

}  // namespace lockstep::monitors
