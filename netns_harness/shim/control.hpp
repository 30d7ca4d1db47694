// What the harness tells a preloaded shim, and what the shim counts: a file that both have mapped. And the log of what
// a power cut may undo.
//
//     control file    one Control
//     undo file       entry …, each UndoEntry followed by `size` bytes: what the disk held before a write
//
// An entry stands in the log before its write begins, and counts for nothing (`flushed`) once a barrier that began
// after the write had ended has itself ended. So the entries behind `flushed` are what a disk may have lost, or half
// lost, when power fails now.
#pragma once

#include <atomic>
#include <cstdint>

namespace lockstep::shim {

struct Control {
    // Set by the harness at any time.
    std::atomic<std::uint32_t> failing_percent;   // of reads, writes and barriers of the disk: EIO
    std::atomic<std::uint32_t> full;              // not 0: writes fail with ENOSPC
    std::atomic<std::uint64_t> delay_ns;          // of each read, write and barrier
    std::atomic<std::uint64_t> barrier_delay_ns;  // of each barrier, besides
    std::atomic<std::int64_t> clock_offset_ns;    // of the real-time clock
    std::atomic<std::uint32_t> power_off;  // not 0: nothing reaches the disk any more, whoever tries waits for ever
    // Counted by the shim.
    std::atomic<std::uint64_t> failed;
    std::atomic<std::uint64_t> refused;  // ENOSPC
    std::atomic<std::uint64_t> delayed;
    std::atomic<std::uint64_t> clock_readings;  // while the clock was off
    // The undo log, in bytes.
    std::atomic<std::uint64_t> used;
    std::atomic<std::uint64_t> flushed;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

struct UndoEntry {
    std::uint64_t offset;  // on the disk
    std::uint64_t size;
};

inline constexpr std::uint64_t undo_file_bytes = std::uint64_t{256} << 20;
inline constexpr std::uint64_t sector_bytes = 512;

// The environment of a program with the shim.
inline constexpr const char* control_variable = "LOCKSTEP_SHIM";
inline constexpr const char* disk_variable = "LOCKSTEP_SHIM_DISK";  // the file that is its disk; may be absent
inline constexpr const char* undo_variable = "LOCKSTEP_SHIM_UNDO";  // with power cuts

}  // namespace lockstep::shim
