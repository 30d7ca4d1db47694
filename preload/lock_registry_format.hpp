// The memory in which the watched processes of a machine note who holds which file locks: what its layout is.
//
//     head │ holders │ ranges │ references
//
// A holder owns locks of one file: a process (fcntl, lockf), or an open file description (flock, F_OFD_SETLK), which
// lives as long as a descriptor refers to it, in whatever process. All is guarded by one robust mutex in the head. What
// does not fit is counted: then not every lock was seen.
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "preload/file_identity.hpp"

namespace lockstep::preload {

inline constexpr std::uint64_t registry_format = 0x4c4f434b53544501;  // the last byte is the version
inline constexpr const char* registry_variable = "LOCKSTEP_FILE_LOCKS";

// Events that were fired, by kind.
struct FiredEvents {
    std::uint64_t requested;
    std::uint64_t acquired;
    std::uint64_t denied;
    std::uint64_t cancelled;
    std::uint64_t released;
    std::uint64_t tested;
};

struct RegistryHead {
    std::uint64_t format;
    pthread_mutex_t mutex;
    std::uint32_t pid_namespace;  // of who made it: its processes are named by their number alone
    std::uint64_t last_number;    // of descriptions
    std::uint64_t not_noted;      // locks for which there was no room
    std::uint64_t damaged;        // a process died while it changed something here
    FiredEvents fired;
    // How many entries may be about a process, or about one of its descriptors: to be asked without the mutex. By hash.
    std::array<std::atomic<std::uint32_t>, 4096> about;
};

enum class HolderKind : std::uint32_t { unused, process, description };

struct HolderEntry {
    HolderKind kind;
    std::uint64_t number;  // of a description
    Process process;       // of a description: which locked it first
    File file;
    std::array<char, 128> owner;
};

struct RangeEntry {
    std::uint32_t holder;  // its index plus one; 0: unused
    std::uint8_t mode;
    bool suspended;  // about to be replaced by a weaker lock
    std::uint64_t first;
    std::uint64_t last;
};

struct ReferenceEntry {
    std::uint32_t holder;  // its index plus one; 0: unused
    std::int32_t descriptor;
    Process process;
};

struct RegistryMemory {
    RegistryHead head;
    std::array<HolderEntry, 2048> holders;
    std::array<RangeEntry, 8192> ranges;
    std::array<ReferenceEntry, 4096> references;
    // Entries from here on were never used.
    std::uint32_t holders_end;
    std::uint32_t ranges_end;
    std::uint32_t references_end;
};

}  // namespace lockstep::preload
